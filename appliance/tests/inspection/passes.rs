//! Scans and scrubs, with a worker that is killed in between.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use larder::{
    cache::{Cache, Options, Presence},
    clock::Clock,
    inspection::{Depth, Ending, Fault, Inspector, Record, Settings, Walker, What},
    janitor::{Job, JobError, Pace, Program, Report, Step, Supervisor, SupervisorState, Walk},
    memory::Buffer,
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
/// Walks by the worker, which is killed after some of the steps.
struct Harassed {
    supervisor: Supervisor,
    kills: Arc<AtomicU32>,
}

impl Walker for Harassed {
    fn walk(
        &self,
        walk: Walk,
        pace: Pace,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'_, Result<Report, JobError>> {
        async move {
            let (through, mut taken) = mpsc::channel(1);
            let passed = async move {
                let mut count = 0;
                while let Some(step) = taken.recv().await {
                    count += 1;
                    if count % 4 == 0 && self.kills.load(SeqCst) > 0 {
                        let state = self.supervisor.state();
                        if state.worker.is_some() && kill_process(worker(&state), Signal::KILL).is_ok() {
                            self.kills.fetch_sub(1, SeqCst);
                        }
                    }
                    if steps.send(step).await.is_err() {
                        return;
                    }
                }
            };
            let (report, ()) = tokio::join!(self.supervisor.run(Job::Walk(walk), pace, through), passed);
            report
        }
        .boxed()
    }
}

fn worker(state: &SupervisorState) -> Pid {
    let process = state.worker.as_ref().and_then(|worker| worker.process);
    Pid::from_raw(process.expect("a process").cast_signed()).expect("an id")
}

struct Bed {
    cache: Cache,
    inspector: Inspector,
    kills: Arc<AtomicU32>,
    dir: TempDir,
}

impl Bed {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::system();
        let cache = Cache::open(Options::new(dir.path()), clock.clone())
            .await
            .expect("opened");
        let program = Arc::new(Program::at(env!("CARGO_BIN_EXE_larder")));
        let supervisor = janitor(dir.path(), program);
        let pace = Pace {
            files: 2,
            time: Duration::from_millis(100),
            rest: Duration::ZERO,
        };
        let settings = Settings {
            // Only when the test asks.
            window: Arc::new(|| false),
            scan_pace: pace,
            scrub_pace: pace,
            ..Settings::new(clock, dir.path().join("inspection.json"))
        };
        let kills = Arc::<AtomicU32>::default();
        let walker = Arc::new(Harassed {
            supervisor: supervisor.clone(),
            kills: kills.clone(),
        });
        let (inspector, _task) = Inspector::start(cache.clone(), walker, Arc::new(supervisor), settings);
        // A recovery goes before it.
        soon(inspector.inspect(Depth::Scan)).await.expect("answered");
        assert!(cache.is_settled());
        Self {
            cache,
            inspector,
            kills,
            dir,
        }
    }

    async fn store_all(&self, seeds: std::ops::Range<u64>) -> Vec<Bytes> {
        let all: Vec<Bytes> = seeds.map(noise).collect();
        for bytes in &all {
            store(&self.cache, bytes).await;
        }
        all
    }

    fn is_here(&self, bytes: &[u8]) -> bool {
        let found = self.cache.blob(&name(), &digest(bytes)).expect("looked up");
        matches!(found, Presence::Here(_))
    }

    fn file(&self, folder: &str, bytes: &[u8]) -> PathBuf {
        self.dir.path().join(folder).join(digest(bytes).file_name())
    }

    /// A file that nobody has listed, of some age.
    fn plant(&self, path: &PathBuf, bytes: &[u8], age: Duration) {
        fs::write(path, bytes).expect("written");
        fs::File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_modified(SystemTime::now() - age))
            .expect("aged");
    }

    async fn inspect(&self, depth: Depth) -> Vec<Record> {
        soon(self.inspector.inspect(depth)).await.expect("answered")
    }

    async fn scan(&self) -> Record {
        let records = self.inspect(Depth::Scan).await;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].ending, Ending::Done, "{}", records[0]);
        records[0].clone()
    }

    fn accounted(&self) {
        let stats = self.cache.stats();
        let folder = fs::read_dir(self.dir.path().join("blobs")).expect("listed");
        assert_eq!(stats.files, folder.count() as u64);
        assert_eq!(stats.condemned, 0);
    }
}

#[tokio::test]
async fn a_file_that_nobody_lists_goes_and_a_young_one_stays() {
    let bed = Bed::new().await;
    bed.store_all(0..5).await;
    let (old, young) = (noise(100), noise(101));
    bed.plant(&bed.file("blobs", &old), &old, HOUR * 2);
    bed.plant(&bed.file("blobs", &young), &young, HOUR / 2);
    let record = bed.scan().await;
    assert_eq!((record.sums.orphans, record.sums.left), (1, 1), "{record}");
    assert_eq!(record.sums.orphan_bytes, BLOB as u64);
    assert_eq!((record.sums.files, record.sums.lost), (7, 0), "{record}");
    assert!(!bed.file("blobs", &old).exists() && bed.file("blobs", &young).exists());
    fs::remove_file(bed.file("blobs", &young)).expect("removed");
    bed.accounted();
    assert_eq!(bed.scan().await.sums.orphans, 0);
    store(&bed.cache, &old).await;
    assert!(bed.is_here(&old), "nobody is kept from storing it again");
}

#[tokio::test]
async fn a_blob_without_its_file_is_off_the_list_and_can_be_stored_again() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(0..7).await;
    fs::remove_file(bed.file("blobs", &blobs[2])).expect("removed");
    fs::write(bed.file("blobs", &blobs[4]), b"short").expect("written");
    let record = bed.scan().await;
    assert_eq!((record.sums.lost, record.sums.orphans), (2, 0), "{record}");
    for lost in [&blobs[2], &blobs[4]] {
        let found = bed.cache.blob(&name(), &digest(lost)).expect("looked up");
        assert!(matches!(found, Presence::Absent), "{found:?}");
        assert!(!bed.file("blobs", lost).exists());
        store(&bed.cache, lost).await;
        assert!(bed.is_here(lost));
    }
    bed.accounted();
    assert_eq!(bed.scan().await.sums.lost, 0);
}

#[tokio::test]
async fn a_flipped_bit_is_found_by_reading_and_by_nothing_else() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(0..6).await;
    let mut rotten = blobs[3].to_vec();
    rotten[BLOB / 2] ^= 1;
    fs::write(bed.file("blobs", &blobs[3]), rotten).expect("written");
    assert!(!bed.scan().await.is_alarming());
    // Also while somebody reads it.
    let lease = bed.cache.lease(&digest(&blobs[3]));
    let records = bed.inspect(Depth::Scrub).await;
    let [scan, scrub] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((scan.what, scrub.what), (What::Scan, What::Scrub));
    assert_eq!(scrub.ending, Ending::Done, "{scrub}");
    assert_eq!((scrub.sums.mismatched, scrub.sums.unreadable), (1, 0), "{scrub}");
    assert_eq!((scrub.sums.files, scrub.sums.bytes), (6, 6 * BLOB as u64));
    drop(lease);
    for (number, blob) in blobs.iter().enumerate() {
        assert_eq!(bed.is_here(blob), number != 3);
    }
    bed.accounted();
    store(&bed.cache, &blobs[3]).await;
    assert_eq!(bed.inspect(Depth::Scrub).await[1].sums.mismatched, 0);
}

#[tokio::test]
async fn what_is_arriving_is_left_alone_and_what_was_abandoned_goes() {
    let bed = Bed::new().await;
    bed.store_all(0..3).await;
    let (arriving, unknown, listed) = (noise(50), noise(51), noise(1));
    let size = Some(BLOB as u64);
    let fill = bed.cache.begin_fill(&name(), &digest(&arriving), size).await;
    let mut fill = fill.expect("begun");
    let half = arriving.slice(..BLOB / 2);
    fill.append(vec![Buffer::borrowed(half)]).await.expect("stored");
    // As if it had stood still for a month.
    let partial = fs::File::options()
        .write(true)
        .open(bed.file("fill", &arriving))
        .expect("there");
    partial
        .set_modified(SystemTime::now() - HOUR * 24 * 30)
        .expect("aged");
    for abandoned in [&unknown, &listed] {
        bed.plant(&bed.file("fill", abandoned), &abandoned[..9], HOUR * 2);
    }
    let record = bed.scan().await;
    assert_eq!((record.sums.partials, record.sums.orphans), (2, 0), "{record}");
    assert!(!bed.file("fill", &unknown).exists() && !bed.file("fill", &listed).exists());
    let rest = arriving.slice(BLOB / 2..);
    fill.append(vec![Buffer::borrowed(rest)]).await.expect("stored");
    let verified = fill.verify().expect("matches");
    verified.publish().await.expect("published");
    assert!(bed.is_here(&arriving));

    // One that could be continued, and that nobody has continued for long.
    let left = noise(60);
    let mut fill = bed
        .cache
        .begin_fill(&name(), &digest(&left), size)
        .await
        .expect("begun");
    let half = left.slice(..BLOB / 2);
    fill.append(vec![Buffer::borrowed(half.clone())])
        .await
        .expect("stored");
    drop(fill);
    // The fill's row is written in its turn: what comes after it waits for it.
    let shown = bed.cache.show(&name(), &digest(&left)).await;
    shown.expect("written");
    for (days, gone) in [(6, 0), (8, 1)] {
        bed.plant(&bed.file("fill", &left), &half, HOUR * 24 * days);
        assert_eq!(bed.scan().await.sums.partials, gone, "after {days} days");
    }
    assert_eq!(bed.cache.stats().partials, 0, "nor is it listed");
    bed.accounted();
}

#[tokio::test]
async fn what_is_not_ours_is_told_and_stays() {
    let bed = Bed::new().await;
    bed.store_all(0..3).await;
    let foreign = ["blobs/aaa.txt", "blobs/zzz.txt", "fill/notes"].map(|name| bed.dir.path().join(name));
    for path in &foreign {
        bed.plant(path, b"mine", HOUR * 24 * 365);
    }
    fs::create_dir(bed.dir.path().join("blobs/lost+found")).expect("made");
    let record = bed.scan().await;
    assert_eq!((record.sums.foreign, record.sums.orphans), (4, 0), "{record}");
    assert_eq!(
        record.foreign_names,
        ["blobs/aaa.txt", "blobs/lost+found", "blobs/zzz.txt", "fill/notes"]
    );
    assert!(foreign.iter().all(|path| path.exists()));
    for number in 0..30 {
        fs::write(bed.dir.path().join(format!("blobs/n{number}")), b"").expect("written");
    }
    let record = bed.scan().await;
    assert_eq!(
        (record.sums.foreign, record.foreign_names.len()),
        (34, 20),
        "{record}"
    );
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_is_replaced_and_nothing_is_missed() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(0..40).await;
    for (number, seed) in (200..210).enumerate() {
        let orphan = noise(seed);
        bed.plant(&bed.file("blobs", &orphan), &orphan, HOUR * 2);
        fs::remove_file(bed.file("blobs", &blobs[number * 4])).expect("removed");
    }
    let mut rotten = blobs[1].to_vec();
    rotten[0] ^= 1;
    fs::write(bed.file("blobs", &blobs[1]), rotten).expect("written");
    bed.kills.store(5, SeqCst);
    let records = bed.inspect(Depth::Scrub).await;
    let [scan, scrub] = &records[..] else {
        panic!("{records:?}")
    };
    assert_eq!((&scan.ending, &scrub.ending), (&Ending::Done, &Ending::Done));
    assert_eq!((scan.sums.orphans, scan.sums.lost), (10, 10), "{scan}");
    assert_eq!((scrub.sums.files, scrub.sums.mismatched), (30, 1), "{scrub}");
    let restarts = scan.sums.restarts + scrub.sums.restarts;
    assert!(restarts > 0, "{} kills are left", bed.kills.load(SeqCst));
    bed.accounted();
}

#[tokio::test]
async fn a_file_at_which_workers_hang_is_stepped_over_and_the_rest_is_read() {
    let bed = Bed::new().await;
    let mut blobs = bed.store_all(0..5).await;
    blobs.sort_by_key(|bytes| digest(bytes));
    let poison = bed.file("blobs", &blobs[2]);
    fs::remove_file(&poison).expect("removed");
    // Opening a pipe to which nobody writes takes for ever, like reading a sector of a dying disk.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &poison,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("made");
    let records = bed.inspect(Depth::Scrub).await;
    let scrub = records.last().expect("a scrub");
    match &scrub.ending {
        Ending::Failed(Fault::Worker(why)) => assert!(why.contains("waits until"), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!((scrub.sums.files, scrub.sums.unreadable), (2, 1), "{scrub}");
    for blob in blobs.iter().filter(|blob| *blob != &blobs[2]) {
        assert!(bed.is_here(blob));
    }
}
