//! One collection at a time, in every mood.

use tokio::sync::Semaphore;

use super::*;

#[tokio::test]
async fn whole_images_go_the_coldest_first_and_what_stays_is_whole() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    // The first is asked for again.
    let first = bed.images.lock()[&0].digest;
    for _ in 0..3 {
        bed.cache.used(&first);
    }
    bed.pass().await;
    let record = bed.collector.collect().await.expect("collected");
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert_eq!(record.why, Why::Asked);
    let listed: Vec<u64> = (0..22).filter(|number| bed.listed(*number)).collect();
    assert!(listed.contains(&0), "{listed:?}");
    assert!((8..=12).contains(&listed.len()), "{listed:?}");
    assert_eq!(record.units as usize, 22 - listed.len(), "{record}");
    assert_eq!(record.files, record.units, "the shared layer stays");
    assert!(record.after <= 500 && record.after > 400, "{record}");
    bed.accounted();
    assert_eq!(bed.collector.history(), [record]);
}

#[tokio::test]
async fn it_begins_by_itself_when_a_fill_finds_it_above_the_mark() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    // The last two bring it above the high mark.
    for number in 22..24 {
        let bytes = noise(LAYER, number);
        let _ = bed.file(&bytes).await;
    }
    while bed.collector.history().is_empty() {
        let _ = bed.file(&noise(LAYER, 99)).await;
        tokio::task::yield_now().await;
    }
    let history = bed.collector.history();
    assert!(history[0].why.is_urgent(), "{}", history[0]);
    assert!(history[0].units > 0, "{}", history[0]);
    bed.accounted();
}

#[tokio::test]
async fn hands_that_are_tied_are_told_and_nothing_more_is_taken() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    *bed.hands.mood.lock() = Mood::Unable;
    let record = bed.collector.collect().await.expect("answered");
    assert_eq!(record.ending, Ending::Failed("the hands are tied".to_owned()));
    let gone = record.units;
    assert!(gone > 0 && record.files == 0, "{record}");
    // Again: what is off the list is tried first, and nothing is added to it.
    let again = bed.collector.collect().await.expect("answered");
    assert_eq!((again.units, again.files), (0, 0), "{again}");
    // Nobody fills anew what is about to be removed.
    let missing = (0..22).find(|number| !bed.listed(*number)).expect("one went");
    assert!(bed.file(&noise(LAYER, missing)).await.is_err());
    *bed.hands.mood.lock() = Mood::Able;
    let at_last = bed.collector.collect().await.expect("answered");
    assert_eq!(
        (&at_last.ending, at_last.files),
        (&Ending::Done, gone),
        "{at_last}"
    );
    bed.accounted();
    bed.file(&noise(LAYER, missing))
        .await
        .expect("it can be stored again");
    bed.accounted();
}

#[tokio::test]
async fn who_asks_while_one_runs_joins_it() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    let closed = bed.hands.gate.forget_permits(Semaphore::MAX_PERMITS);
    let collect = |collector: Collector| tokio::spawn(async move { collector.collect().await });
    let first = collect(bed.collector.clone());
    while bed.hands.calls.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..5).map(|_| collect(bed.collector.clone())).collect();
    tokio::task::yield_now().await;
    bed.hands.gate.add_permits(closed);
    let record = first.await.expect("no panic").expect("collected");
    for other in others {
        assert_eq!(other.await.expect("no panic").expect("answered"), record);
    }
    assert_eq!(bed.collector.history().len(), 1);
}

#[tokio::test]
async fn what_is_pinned_stays_and_the_verdict_says_so() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    let all: Vec<Digest> = bed
        .images
        .lock()
        .values()
        .map(|manifest| manifest.digest)
        .collect();
    *bed.pinned.lock() = all;
    let record = bed.collector.collect().await.expect("answered");
    let Ending::Short(verdict) = &record.ending else {
        panic!("{record}");
    };
    assert!(verdict.contains("pinned 8."), "{verdict}");
    assert_eq!(record.units, 0);
    assert!((0..22).all(|number| bed.listed(number)));
}

#[tokio::test]
async fn what_fills_left_behind_counts_and_goes_before_anything_that_serves() {
    let bed = Bed::new().await;
    for number in 0..8 {
        bed.image(number).await;
    }
    // Twelve that nobody goes on with, of which nothing is published.
    let leave = async |number: u64, bytes: usize| {
        let whole = noise(LAYER, 1000 + number);
        let fill = bed
            .cache
            .begin_fill(&name(), &digest(&whole), Some(LAYER as u64))
            .await;
        let mut fill = fill.expect("there is room");
        let part = Buffer::borrowed(whole.slice(..bytes));
        fill.append(vec![part]).await.expect("written");
        fill
    };
    for number in 0..12 {
        drop(leave(number, LAYER - 1).await);
    }
    // For the clock alone: nothing is looked at meanwhile.
    bed.clock.not_before(Timestamp(bed.clock.now().0 + 120));
    let running = leave(12, 1000).await;
    drop(leave(13, 1000).await);
    let used = |bed: &Bed| bed.cache.pressure().expect("asked").own_bytes.used;
    assert!(used(&bed) > LIMIT * 8 / 10, "they count: {}", used(&bed));
    assert_eq!(bed.cache.stats().abandoned.inodes, 13);
    let rehearsed = bed.collector.rehearse().await.expect("answered");
    let record = bed.collector.collect().await.expect("collected");
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert_eq!((record.units, record.files), (10, 10), "{record}");
    assert_eq!((rehearsed.units, rehearsed.bytes), (record.units, record.bytes));
    assert!((0..8).all(|number| bed.listed(number)), "what serves stays");
    let left: Vec<_> = std::fs::read_dir(bed.dir.path().join("fill"))
        .expect("listed")
        .collect();
    assert_eq!(
        left.len(),
        4,
        "one that runs, one that is young, two that need not go"
    );
    let stats = bed.cache.stats();
    assert_eq!((stats.partials, stats.abandoned.inodes), (4, 3));
    assert_eq!(stats.abandoned.bytes, 2 * (LAYER as u64 - 1) + 1000);
    assert_eq!(used(&bed), stats.bytes + LAYER as u64 + stats.abandoned.bytes);
    drop(running);
    assert_eq!(used(&bed), stats.bytes + 1000 + stats.abandoned.bytes);
}

#[tokio::test]
async fn what_cannot_be_fetched_again_goes_last() {
    for (out, stays) in [(vec![], false), (vec![name().upstream], true)] {
        let bed = Bed::new().await;
        // As large as others' images, and the coldest.
        let manifest = manifest_of(&[noise(2 * LAYER, 7)]);
        bed.file(&noise(2 * LAYER, 7)).await.expect("stored");
        let here = name();
        bed.cache.put_manifest(&here, &manifest).await.expect("stored");
        let elsewhere = Repository {
            upstream: "other.test".parse().expect("valid"),
            ..name()
        };
        for number in 0..18 {
            let layer = noise(LAYER, 100 + number);
            bed.file(&layer).await.expect("stored");
            let manifest = manifest_of(&[layer]);
            bed.cache
                .put_manifest(&elsewhere, &manifest)
                .await
                .expect("stored");
        }
        bed.clock.not_before(Timestamp(bed.clock.now().0 + 120));
        *bed.unobtainable.lock() = out;
        let record = bed.collector.collect().await.expect("collected");
        assert_eq!(record.ending, Ending::Done, "{record}");
        let kept = bed.cache.manifest(&here, &manifest.digest).expect("read");
        assert_eq!(kept.is_some(), stays, "{record}");
    }
}

#[tokio::test]
async fn a_disk_that_others_fill_gets_what_is_above_the_floor_and_no_more() {
    let bed = Bed::on(LIMIT, None).await;
    for number in 0..20 {
        bed.image(number).await;
    }
    bed.clock.not_before(Timestamp(bed.clock.now().0 + 120));
    let listed = || (0..20).filter(|number| bed.listed(*number)).count();
    // A tenth of the disk is the others': down to the low mark of the whole.
    bed.disk.others.store(1_000_000, SeqCst);
    let record = bed.collector.collect().await.expect("answered");
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert!((8..=9).contains(&listed()), "{record}");
    // All of it: the cache keeps a tenth, and says so.
    bed.disk.others.store(LIMIT, SeqCst);
    let record = bed.collector.collect().await.expect("answered");
    let Ending::Short(why) = &record.ending else {
        panic!("{record}");
    };
    assert!(why.contains("is not the cache's"), "{why}");
    assert_eq!(listed(), 1, "{record}");
    bed.accounted();
    let again = bed.collector.collect().await.expect("answered");
    assert_eq!((again.units, &again.ending), (0, &record.ending), "{again}");
}

#[tokio::test]
async fn a_rehearsal_says_what_would_go_and_changes_nothing() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    let rehearsed = bed.collector.rehearse().await.expect("answered");
    assert_eq!(rehearsed.ending, Ending::Rehearsed);
    assert!((0..22).all(|number| bed.listed(number)));
    assert!(bed.collector.history().is_empty());
    let record = bed.collector.collect().await.expect("answered");
    assert_eq!((record.units, record.bytes), (rehearsed.units, rehearsed.bytes));
}
