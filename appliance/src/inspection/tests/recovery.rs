//! Recoveries, with a walk that does as a test says.

use super::*;

impl Bed {
    /// A folder whose index was lost: blobs in the order of their digests.
    fn plant_all(&self, count: u64) -> Vec<Bytes> {
        let mut all: Vec<Bytes> = (0..count).map(noise).collect();
        all.sort_by_key(|bytes| digest(bytes));
        for bytes in &all {
            self.plant(bytes);
        }
        all
    }

    fn is_listed(&self, bytes: &[u8]) -> bool {
        let found = self.cache.blob(&name(), &digest(bytes)).expect("looked up");
        matches!(found, Presence::Hidden | Presence::Here(_))
    }

    /// The names that were to be read, by walk.
    fn read(&self) -> Vec<Vec<Digest>> {
        let walks = self.walker.walks.lock();
        let names = |walk: &Walk| match walk {
            Walk::Verify { names, .. } => Some(names.iter().filter_map(Name::digest).collect()),
            _ => None,
        };
        walks.iter().filter_map(names).collect()
    }
}

fn last(inspector: &Inspector) -> Record {
    let recoveries = inspector.history().into_iter().rev();
    let mut recoveries = recoveries.filter(|record| record.what == What::Recovery);
    recoveries.next().expect("a recovery")
}

async fn settled(bed: &Bed, inspector: &Inspector) -> Record {
    until(inspector, |history| {
        let done = |record: &Record| record.what == What::Recovery && record.ending == Ending::Done;
        bed.cache.is_settled() && history.iter().any(done)
    })
    .await;
    last(inspector)
}

#[tokio::test]
async fn what_nobody_lists_is_read_and_listed_if_it_is_whole() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(5);
    let wrong = bed.plant(&noise(90));
    fs::write(&wrong, b"other").expect("written");
    let theirs = bed.dir.path().join("fill/notes");
    fs::write(&theirs, b"").expect("written");
    assert!(!bed.cache.is_settled());
    let inspector = bed.start();
    let record = settled(&bed, &inspector).await;
    assert_eq!((record.why, record.sums.hidden), (Why::Start, 5), "{record}");
    assert_eq!((record.sums.files, record.sums.mismatched), (6, 1), "{record}");
    assert_eq!(record.foreign_names, ["fill/notes"]);
    assert!(blobs.iter().all(|bytes| bed.is_listed(bytes)));
    assert!(!wrong.exists() && theirs.exists());
    assert_eq!(bed.cache.stats().files, 5);
    assert_eq!(bed.cache.stats().condemned, 0, "nobody is kept from filling it");
    let record = scan(&inspector).await;
    assert_eq!(
        (record.sums.foreign, record.sums.partials, record.sums.orphans),
        (1, 0, 0),
        "{record}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_at_which_workers_die_is_left_and_the_others_are_listed() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(3);
    bed.act([Act::DieVerifying(digest(&blobs[0]))]);
    let inspector = bed.start();
    let record = settled(&bed, &inspector).await;
    assert_eq!((record.sums.hidden, record.sums.unreadable), (2, 1), "{record}");
    assert!(!bed.is_listed(&blobs[0]) && bed.file(&blobs[0]).exists());
    assert_eq!(bed.cache.distrusted(), [digest(&blobs[0])]);
    let [recoveries, ..] = inspector.tally();
    assert_eq!((recoveries.done, recoveries.failed), (1, 1));
    let scan = scan(&inspector).await;
    assert_eq!((scan.sums.orphans, scan.sums.left), (0, 1), "{scan}");
    store(&bed.cache, &blobs[0]).await;
    assert!(bed.is_here(&blobs[0]), "it is fetched again");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_always_dies_lists_nothing_and_loses_nothing() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(4);
    bed.act(blobs.iter().map(|bytes| Act::DieVerifying(digest(bytes))));
    let inspector = bed.start();
    let began = Instant::now();
    until(&inspector, |_| bed.read().len() >= 8).await;
    assert!(
        began.elapsed() > Duration::from_secs(4 * 60),
        "not in a loop: {:?}",
        began.elapsed()
    );
    assert!(!bed.cache.is_settled());
    assert!(matches!(&last(&inspector).ending, Ending::Failed(Fault::Worker(why)) if why.contains("verify")));
    assert_eq!(scan(&inspector).await.sums.left, 4);
    bed.act([]);
    let record = settled(&bed, &inspector).await;
    // Of the last one it cannot be told.
    assert!(record.sums.hidden >= 3, "{record}");
    assert!(blobs.iter().all(|bytes| bed.file(bytes).exists()));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_for_now_is_tried_again_and_what_never_can_is_not() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(3);
    bed.act([
        // The box is short of descriptors.
        Act::Unreadable(digest(&blobs[0]), 24),
        // The medium is broken.
        Act::Unreadable(digest(&blobs[1]), 5),
    ]);
    *bed.walker.only.lock() = Some(Task::Verify);
    let inspector = bed.start();
    let failed = |history: &[Record]| {
        history
            .iter()
            .any(|record| matches!(record.ending, Ending::Failed(_)))
    };
    until(&inspector, failed).await;
    let record = last(&inspector);
    match &record.ending {
        Ending::Failed(Fault::Disk(why)) => assert!(why.contains("1 files cannot be read"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert!(!bed.cache.is_settled() && bed.is_listed(&blobs[2]));
    assert_eq!(scan(&inspector).await.sums.left, 2);
    bed.act([]);
    let record = settled(&bed, &inspector).await;
    assert_eq!((record.sums.hidden, record.sums.unreadable), (2, 1), "{record}");
    assert!(bed.is_listed(&blobs[0]) && !bed.is_listed(&blobs[1]));
    assert_eq!(bed.read().last(), Some(&vec![digest(&blobs[0])]), "no other");
}

#[tokio::test]
async fn what_a_client_fetches_meanwhile_is_the_clients() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(3);
    let (cache, fetched) = (bed.cache.clone(), blobs[1].clone());
    let (written, path) = (noise(99), bed.file(&blobs[2]));
    *bed.walker.before_listing.lock() = Some(Box::new(move || {
        async move {
            // It takes over what lies there.
            let begun = cache.begin_fill(&name(), &digest(&fetched), None).await;
            let mut fill = begun.expect("begun");
            assert_eq!(fill.len(), BLOB as u64);
            fill.rehash().await.expect("read");
            let verified = fill.verify().expect("matches");
            verified.publish().await.expect("published");
            // Of another one the bytes change after they were read, to as many others.
            fs::write(path, written).expect("written");
        }
        .boxed()
    }));
    let inspector = bed.start();
    until(&inspector, |history| {
        let ended = |record: &Record| matches!(record.ending, Ending::Failed(_));
        history.iter().any(ended)
    })
    .await;
    assert!(bed.is_here(&blobs[1]) && bed.is_listed(&blobs[0]));
    assert!(!bed.is_listed(&blobs[2]), "what is there was not read");
    assert_eq!(last(&inspector).sums.hidden, 1);
    let record = settled(&bed, &inspector).await;
    assert_eq!((record.sums.hidden, record.sums.mismatched), (1, 1), "{record}");
    assert!(!bed.is_listed(&blobs[2]) && !bed.file(&blobs[2]).exists());
}

#[tokio::test]
async fn what_was_listed_is_not_read_again_by_another_process() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(5);
    bed.act([Act::Stand(digest(&blobs[3]))]);
    let (inspector, task) = Inspector::start(
        bed.cache.clone(),
        bed.walker.clone(),
        bed.hands.clone(),
        bed.settings.clone(),
    );
    until(&inspector, |_| bed.cache.stats().files == 3).await;
    assert!(!bed.cache.is_settled());
    task.abort();
    drop(inspector);
    bed.act([]);
    bed.walker.walks.lock().clear();
    let inspector = bed.start();
    let record = settled(&bed, &inspector).await;
    assert_eq!((record.sums.files, record.sums.hidden), (5, 2), "{record}");
    assert_eq!(bed.read(), [vec![digest(&blobs[3]), digest(&blobs[4])]]);
}

#[tokio::test(start_paused = true)]
async fn wrong_bytes_that_cannot_be_removed_keep_it_from_being_done() {
    let bed = Bed::raw().await;
    let blobs = bed.plant_all(2);
    fs::write(bed.file(&blobs[0]), b"other").expect("written");
    *bed.hands.mood.lock() = Mood::Unable;
    let inspector = bed.start();
    let failed = |history: &[Record]| {
        history
            .iter()
            .any(|record| matches!(record.ending, Ending::Failed(_)))
    };
    until(&inspector, failed).await;
    assert!(!bed.cache.is_settled() && bed.file(&blobs[0]).exists());
    *bed.hands.mood.lock() = Mood::Able;
    let record = settled(&bed, &inspector).await;
    assert_eq!(record.sums.mismatched, 1, "{record}");
    assert!(!bed.file(&blobs[0]).exists() && bed.is_listed(&blobs[1]));
}
