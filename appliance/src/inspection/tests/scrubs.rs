//! Scrubs, and what goes before them, with a walk that does as a test says.

use super::*;

#[tokio::test]
async fn what_cannot_be_read_is_off_the_list_and_its_file_is_left() {
    let bed = Bed::new().await;
    let inspector = bed.start();
    let blobs = bed.store_all(4).await;
    bed.act([
        Act::Unreadable(digest(&blobs[1]), 5),
        // The box is short of descriptors: that says nothing of the file.
        Act::Unreadable(digest(&blobs[2]), 24),
    ]);
    let records = inspector.inspect(Depth::Scrub).await.expect("answered");
    let scrub = &records[1];
    assert_eq!((scrub.sums.unreadable, scrub.sums.mismatched), (2, 0), "{scrub}");
    assert!(!bed.is_here(&blobs[1]) && bed.is_here(&blobs[2]));
    assert!(bed.file(&blobs[1]).exists());
    // Neither a scan nor the recovery touches it, and a fill does not take it over.
    bed.act([]);
    bed.plant(&blobs[1]);
    assert_eq!(scan(&inspector).await.sums.left, 1);
    bed.cache.recover().await;
    assert!(!bed.is_here(&blobs[1]) && bed.file(&blobs[1]).exists());
    let fill = bed.cache.begin_fill(&name(), &digest(&blobs[1]), None).await;
    assert_eq!(fill.expect("begun").len(), 0);
    store(&bed.cache, &blobs[1]).await;
    assert!(bed.is_here(&blobs[1]) && bed.cache.distrusted().is_empty());
    assert_eq!(scan(&inspector).await.sums.left, 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_at_which_workers_die_is_stepped_over_and_taken_off_the_list_behind_it() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(5).await;
    bed.act([Act::Die(digest(&blobs[2]))]);
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    // Each rests for as long as it likes: either can be the first.
    let both = |history: &[Record]| {
        let done = history.iter().filter(|record| record.ending == Ending::Done);
        done.count() == 2
    };
    until(&inspector, both).await;
    let history = inspector.history();
    assert_eq!(history.len(), 2, "{history:?}");
    for record in &history {
        assert_eq!(record.sums.unreadable, 1, "{record}");
        assert_eq!((record.sums.files, record.sums.lost), (4, 0), "{record}");
    }
    assert!(!bed.is_here(&blobs[2]) && bed.is_here(&blobs[3]));
    let walks = bed.walker.walks.lock().clone();
    let past = Cursor::past(Folder::Blobs, Name::from(&digest(&blobs[2])));
    let froms: Vec<&Cursor> = walks.iter().map(Walk::from).collect();
    assert_eq!(froms, [&Cursor::START, &Cursor::START, &past, &past]);
    let [_, scans, scrubs] = inspector.tally();
    assert_eq!((scans.failed, scrubs.failed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_always_dies_empties_no_cache() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(4).await;
    bed.act(blobs.iter().map(|bytes| Act::Die(digest(bytes))));
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    let walks = || bed.walker.walks.lock().len();
    let began = Instant::now();
    until(&inspector, |_| walks() >= 8).await;
    assert!(
        began.elapsed() > Duration::from_secs(2 * 60),
        "less and less often: {:?}",
        began.elapsed()
    );
    // Behind the last file a walk goes on at last. That speaks against that file, and against no other.
    let both = |history: &[Record]| history.iter().all(|record| record.ending == Ending::Done);
    until(&inspector, |history| history.len() == 2 && both(history)).await;
    assert_eq!(walks(), 10);
    let here: Vec<bool> = blobs.iter().map(|blob| bed.is_here(blob)).collect();
    assert_eq!(here, [true, true, true, false]);
}

#[tokio::test]
async fn a_pass_goes_on_from_its_cursor_in_another_process() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(6).await;
    fs::write(bed.file(&blobs[5]), [0; BLOB]).expect("written");
    bed.act([Act::Stand(digest(&blobs[3]))]);
    let settings = Settings {
        save_every: Duration::from_millis(20),
        ..bed.settings.clone()
    };
    let (inspector, task) =
        Inspector::start(bed.cache.clone(), bed.walker.clone(), bed.hands.clone(), settings);
    let asked = tokio::spawn({
        let inspector = inspector.clone();
        async move { inspector.inspect(Depth::Scrub).await.is_ok() }
    });
    let file = bed.cache.small_file(bed.settings.memory.clone());
    let third = Cursor::past(Folder::Blobs, Name::from(&digest(&blobs[2])));
    until(&inspector, |_| {
        let memory: memory::Memory = memory::Memory::read(&file);
        memory.scrub.is_some_and(|pass| pass.cursor == third)
    })
    .await;
    task.abort();
    assert!(!asked.await.expect("no panic"));
    drop(inspector);

    bed.act([]);
    bed.walker.walks.lock().clear();
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    until(&inspector, |history| {
        history
            .iter()
            .any(|record| record.what == What::Scrub && record.ending == Ending::Done)
    })
    .await;
    let walks = bed.walker.walks.lock().clone();
    assert_eq!(walks.len(), 1, "the scan was done already: {walks:?}");
    assert_eq!(walks[0].from(), &third);
    let scrub = inspector.history().pop().expect("a scrub");
    assert_eq!((scrub.sums.files, scrub.sums.mismatched), (6, 1), "{scrub}");
}

#[tokio::test]
async fn a_scan_goes_before_a_scrub_which_goes_on_afterwards() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(5).await;
    bed.act([Act::Stand(digest(&blobs[2]))]);
    let inspector = bed.start();
    let scrub = tokio::spawn({
        let inspector = inspector.clone();
        async move { inspector.inspect(Depth::Scrub).await.expect("answered") }
    });
    until(&inspector, |history| {
        history
            .iter()
            .any(|record| record.what == What::Scrub && record.sums.files == 2)
    })
    .await;
    bed.act([]);
    let orphan = bed.plant(&noise(90));
    let record = scan(&inspector).await;
    assert_eq!((record.what, record.sums.orphans), (What::Scan, 1), "{record}");
    assert!(!orphan.exists());
    let records = scrub.await.expect("no panic");
    assert_eq!(records[1].ending, Ending::Done);
    assert_eq!(records[1].sums.files, 5, "each once: {}", records[1]);
    let walks = bed.walker.walks.lock().clone();
    let second = Cursor::past(Folder::Blobs, Name::from(&digest(&blobs[1])));
    assert_eq!(walks.last().expect("a walk").from(), &second);
}

#[tokio::test(start_paused = true)]
async fn a_scrub_rests_outside_of_its_window_and_a_scan_comes_every_day() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(4).await;
    bed.act([Act::Stand(digest(&blobs[2]))]);
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    let halfway = |history: &[Record]| history.iter().any(|record| record.sums.files == 2);
    until(&inspector, halfway).await;
    bed.open.store(false, SeqCst);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let walks = bed.walker.walks.lock().len();
    tokio::time::sleep(Duration::from_secs(20 * 3600)).await;
    assert_eq!(
        bed.walker.walks.lock().len(),
        walks,
        "nothing is done while it is closed"
    );
    bed.act([]);
    bed.open.store(true, SeqCst);
    let counted = |history: &[Record], what| {
        let done = history
            .iter()
            .filter(|record| record.what == what && record.ending == Ending::Done);
        done.count()
    };
    until(&inspector, |history| counted(history, What::Scrub) == 1).await;
    assert_eq!(counted(&inspector.history(), What::Scan), 1);
    tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
    let history = inspector.history();
    assert_eq!(
        (counted(&history, What::Scan), counted(&history, What::Scrub)),
        (3, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn want_of_memory_stops_it_where_it_is_and_safe_mode_keeps_it_from_beginning() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(4).await;
    let (pause, beat) = (bed.settings.pause.clone(), bed.settings.beat.clone());
    pause.begin(Cause::SafeMode);
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    let walks = || bed.walker.walks.lock().len();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!((walks(), beat.pulse().load), (0, Load::Idle));
    let steps = beat.pulse().steps;
    assert_eq!(scan(&inspector).await.ending, Ending::Done, "a person asked");
    assert!(beat.pulse().steps > steps + 1, "each step of a walk is one");
    bed.act([Act::Stand(digest(&blobs[2]))]);
    pause.end(Cause::SafeMode);
    until(&inspector, |history| {
        history
            .iter()
            .any(|record| record.what == What::Scrub && record.sums.files == 2)
    })
    .await;
    assert_eq!(beat.pulse().load, Load::Busy);
    pause.begin(Cause::Memory);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let so_far = walks();
    assert_eq!(beat.pulse().load, Load::Idle, "it is stopped, and not only slow");
    let asked = tokio::spawn({
        let inspector = inspector.clone();
        async move { scan(&inspector).await }
    });
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        (walks(), asked.is_finished()),
        (so_far, false),
        "nobody is to take memory"
    );
    bed.act([]);
    pause.end(Cause::Memory);
    assert_eq!(asked.await.expect("no panic").ending, Ending::Done);
    until(&inspector, |history| {
        history
            .iter()
            .any(|record| record.what == What::Scrub && record.ending == Ending::Done)
    })
    .await;
}
