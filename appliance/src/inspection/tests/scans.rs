//! Scans, with a walk that does as a test says.

use super::*;

#[tokio::test]
async fn what_was_published_since_it_was_seen_is_neither_lost_nor_an_orphan() {
    let bed = Bed::new().await;
    bed.store_all(3).await;
    // One whose file is seen before its row is written, and one whose file was not there yet.
    let (early, late) = (noise(70), noise(71));
    bed.plant(&early);
    let cache = bed.cache.clone();
    let (one, other) = (early.clone(), late.clone());
    *bed.walker.meanwhile.lock() = Some(Box::new(move || {
        async move {
            let size = Some(BLOB as u64);
            // It takes over what lies there.
            let mut fill = cache
                .begin_fill(&name(), &digest(&one), size)
                .await
                .expect("begun");
            fill.rehash().await.expect("read");
            fill.verify()
                .expect("matches")
                .publish()
                .await
                .expect("published");
            store(&cache, &other).await;
        }
        .boxed()
    }));
    let inspector = bed.start();
    let record = scan(&inspector).await;
    assert_eq!((record.sums.orphans, record.sums.lost), (0, 0), "{record}");
    assert!(bed.is_here(&early) && bed.is_here(&late));
}

#[tokio::test]
async fn what_is_being_filled_while_it_is_seen_keeps_its_file() {
    let bed = Bed::new().await;
    let inspector = bed.start();
    let bytes = noise(70);
    let path = bed.plant(&bytes);
    let (ready, filling) = tokio::sync::oneshot::channel();
    let cache = bed.cache.clone();
    let wanted = digest(&bytes);
    *bed.walker.meanwhile.lock() = Some(Box::new(move || {
        async move {
            let fill = cache.begin_fill(&name(), &wanted, Some(BLOB as u64)).await;
            let _ = ready.send(fill.expect("begun"));
        }
        .boxed()
    }));
    let record = scan(&inspector).await;
    assert_eq!((record.sums.orphans, record.sums.left), (0, 1), "{record}");
    let mut fill = filling.await.expect("begun");
    fill.rehash().await.expect("all of it is there");
    fill.verify()
        .expect("matches")
        .publish()
        .await
        .expect("published");
    assert!(path.exists() && bed.is_here(&bytes));
}

#[tokio::test(start_paused = true)]
async fn an_index_that_does_not_know_is_no_reason_to_remove_anything() {
    let bed = Bed::raw().await;
    let orphan = noise(80);
    let path = bed.plant(&orphan);
    bed.act([Act::DieVerifying(digest(&orphan))]);
    let inspector = bed.start();
    let record = scan(&inspector).await;
    assert_eq!(
        (record.sums.orphans, record.sums.left),
        (0, 1),
        "nothing was adopted: {record}"
    );
    bed.act([]);
    until(&inspector, |_| bed.cache.is_settled()).await;
    assert_eq!(
        scan(&inspector).await.sums.left,
        0,
        "it is listed, as the recovery does"
    );
    let second = bed.plant(&noise(81));
    bed.cache.close().await;
    let record = scan(&inspector).await;
    assert!(
        matches!(&record.ending, Ending::Failed(Fault::Index(why)) if why.contains("closed")),
        "{record}"
    );
    assert!(path.exists() && second.exists());
}

#[tokio::test]
async fn hands_that_are_tied_fail_the_pass_and_what_waits_goes_first() {
    let bed = Bed::new().await;
    let inspector = bed.start();
    bed.store_all(3).await;
    let orphan = noise(80);
    let path = bed.plant(&orphan);
    *bed.hands.mood.lock() = Mood::Unable;
    let record = scan(&inspector).await;
    assert_eq!(
        record.ending,
        Ending::Failed(Fault::Worker("the hands are tied".to_owned()))
    );
    assert_eq!((bed.cache.stats().condemned, record.sums.orphans), (1, 0));
    let refused = bed.cache.begin_fill(&name(), &digest(&orphan), None).await;
    assert!(refused.is_err(), "it would lose its file");
    *bed.hands.mood.lock() = Mood::Able;
    let record = scan(&inspector).await;
    assert_eq!(
        (&record.ending, record.sums.orphans),
        (&Ending::Done, 1),
        "{record}"
    );
    assert!(!path.exists());
    assert_eq!(bed.cache.stats().condemned, 0);
    let [_, scans, _] = inspector.tally();
    assert_eq!((scans.done, scans.failed, scans.sums.orphans), (1, 1, 1));
}
