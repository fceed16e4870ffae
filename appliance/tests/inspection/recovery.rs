//! Indexes that were lost, made anew by the real worker.

use std::{
    fs, io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use larder::{
    cache::{Cache, Content, Options, Presence, VerifiedBytes},
    clock::Clock,
    inspection::{Depth, Ending, Inspector, Record, Settings, What, Why},
    janitor::{FAULT_VARIABLE, Pace, Program, Start, Started, Supervisor},
    oci::Digest,
};
use tempfile::TempDir;

use super::*;

/// The real program, with a fault for each of the first starts.
struct Faulty {
    faults: Vec<&'static str>,
    starts: AtomicUsize,
}

impl Start for Faulty {
    fn start(&self) -> io::Result<Started> {
        let program = Program::at(env!("CARGO_BIN_EXE_larder"));
        match self.faults.get(self.starts.fetch_add(1, SeqCst)) {
            Some(fault) => program.variable(FAULT_VARIABLE, fault).start(),
            None => program.start(),
        }
    }
}

struct Bed {
    cache: Cache,
    clock: Clock,
    dir: TempDir,
}

impl Bed {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::system();
        let cache = Cache::open(Options::new(dir.path()), clock.clone()).await;
        Self {
            cache: cache.expect("opened"),
            clock,
            dir,
        }
    }

    /// With a worker that goes wrong as often as told.
    fn start(&self, faults: &[&'static str]) -> (Inspector, Supervisor) {
        let program = Arc::new(Faulty {
            faults: faults.to_vec(),
            starts: AtomicUsize::new(0),
        });
        let supervisor = janitor(self.dir.path(), program);
        let pace = Pace {
            files: 3,
            time: Duration::from_millis(100),
            rest: Duration::ZERO,
        };
        let settings = Settings {
            // What was lost does not wait for a window.
            window: Arc::new(|| false),
            scan_pace: pace,
            verify_pace: pace,
            ..Settings::new(self.clock.clone(), self.dir.path().join("inspection.json"))
        };
        let (inspector, _task) = Inspector::start(
            self.cache.clone(),
            Arc::new(supervisor.clone()),
            Arc::new(supervisor.clone()),
            settings,
        );
        (inspector, supervisor)
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.dir.path().join("blobs").join(digest.file_name())
    }

    fn plant(&self, seeds: std::ops::Range<u64>) -> Vec<Bytes> {
        let all: Vec<Bytes> = seeds.map(noise).collect();
        for bytes in &all {
            fs::write(self.file(&digest(bytes)), bytes).expect("written");
        }
        all
    }

    fn is_listed(&self, bytes: &[u8]) -> bool {
        let found = self.cache.blob(&name(), &digest(bytes)).expect("looked up");
        matches!(found, Presence::Hidden | Presence::Here(_))
    }

    /// What the last recovery came to. It goes before a scan that is asked for.
    async fn recovered(&self, inspector: &Inspector) -> Record {
        soon(async {
            while !self.cache.is_settled() {
                inspector.inspect(Depth::Scan).await.expect("answered");
            }
        })
        .await;
        let mut history = inspector.history().into_iter().rev();
        history
            .find(|record| record.what == What::Recovery)
            .expect("a recovery")
    }
}

#[tokio::test]
async fn files_without_an_index_are_listed_if_they_are_whole() {
    let bed = Bed::new().await;
    let blobs = bed.plant(0..10);
    // One byte is another, one file is cut, one is empty.
    let wrong = bed.plant(20..23);
    let mut rotten = wrong[0].to_vec();
    rotten[BLOB - 1] ^= 1;
    fs::write(bed.file(&digest(&wrong[0])), rotten).expect("written");
    fs::write(bed.file(&digest(&wrong[1])), &wrong[1][..BLOB - 1]).expect("written");
    fs::write(bed.file(&digest(&wrong[2])), b"").expect("written");
    fs::write(bed.dir.path().join("mine.txt"), b"").expect("written");
    let (inspector, _supervisor) = bed.start(&[]);
    let record = bed.recovered(&inspector).await;
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert_eq!((record.sums.hidden, record.sums.mismatched), (10, 3), "{record}");
    assert_eq!((record.why, record.sums.files), (Why::Start, 13), "{record}");
    assert_eq!(
        record.foreign_names,
        ["mine.txt"],
        "the fence lets it list the folder"
    );
    for bytes in &blobs {
        bed.cache.show(&name(), &digest(bytes)).await.expect("shown");
        match bed.cache.blob(&name(), &digest(bytes)).expect("looked up") {
            Presence::Here(Content::File(blob)) => assert_eq!(blob.size, BLOB as u64),
            other => panic!("{other:?}"),
        }
    }
    for bytes in &wrong {
        assert!(!bed.is_listed(bytes) && !bed.file(&digest(bytes)).exists());
        store(&bed.cache, bytes).await;
        assert!(bed.is_listed(bytes));
    }
}

#[tokio::test]
async fn a_worker_that_hangs_and_dies_is_replaced_and_everything_is_listed_once() {
    let bed = Bed::new().await;
    let blobs = bed.plant(0..30);
    let (inspector, supervisor) = bed.start(&["exit@scan:4", "hang@verify:3", "abort@verify:2"]);
    let record = bed.recovered(&inspector).await;
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert_eq!((record.sums.hidden, record.sums.unreadable), (30, 0), "{record}");
    // Of a walk that is left early it is not counted.
    assert!(record.sums.restarts >= 2, "{record}");
    assert_eq!(record.sums.bytes, 30 * BLOB as u64, "none is read twice");
    assert_eq!(supervisor.state().counts.started, 4);
    assert!(blobs.iter().all(|bytes| bed.is_listed(bytes)));
}

#[tokio::test]
async fn without_a_worker_it_is_tried_again_and_nothing_is_taken_for_unwanted() {
    let bed = Bed::new().await;
    let blobs = bed.plant(0..3);
    let always = ["exit@scan:1"; 4];
    let (inspector, _supervisor) = bed.start(&always);
    let scan = soon(inspector.inspect(Depth::Scan)).await.expect("answered");
    let history = inspector.history();
    match &history[0].ending {
        Ending::Failed(fault) => assert!(fault.to_string().contains("worker"), "{fault}"),
        other => panic!("{other:?} {scan:?}"),
    }
    assert!(!bed.cache.is_settled());
    // What is fetched meanwhile goes its way.
    store(&bed.cache, &noise(7)).await;
    assert!(bed.is_listed(&noise(7)));
    let record = bed.recovered(&inspector).await;
    assert_eq!((record.sums.hidden, record.sums.lost), (3, 0), "{record}");
    assert!(blobs.iter().all(|bytes| bed.is_listed(bytes)));
}

#[tokio::test]
async fn an_index_that_is_lost_in_use_is_made_anew() {
    let bed = Bed::new().await;
    let (inspector, _supervisor) = bed.start(&[]);
    bed.recovered(&inspector).await;
    let layers: Vec<Bytes> = (0..5).map(noise).collect();
    for layer in &layers {
        store(&bed.cache, layer).await;
    }
    // More than redb keeps in memory, in rows small enough to make many pages of the tree.
    let small: Vec<Bytes> = (0..3000).map(|seed| noise(1000 + seed).slice(..3000)).collect();
    let puts = small.iter().map(|bytes| {
        let bytes = VerifiedBytes::check(digest(bytes), bytes.clone()).expect("its digest");
        let cache = &bed.cache;
        async move { cache.put_small(&name(), bytes).await }
    });
    for put in futures_util::future::join_all(puts).await {
        put.expect("stored");
    }
    let index = bed.dir.path().join("index.redb");
    let file = fs::File::options().write(true).open(index).expect("opened");
    let pages = file.metadata().expect("there").len() / 4096;
    for page in 1..pages {
        file.write_all_at(&[0x5A; 4096], page * 4096).expect("harmed");
    }
    let lost = async {
        while bed.cache.is_settled() {
            for bytes in &small {
                // Absent or an error, and never wrong.
                let _ = bed.cache.blob(&name(), &digest(bytes));
            }
            tokio::task::yield_now().await;
        }
    };
    soon(lost).await;
    // Nobody asks for anything, and it is sooner than it is looked whether something is due.
    let settled = async {
        while !bed.cache.is_settled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), settled).await.expect("at once");
    let record = bed.recovered(&inspector).await;
    assert_eq!((record.why, record.sums.hidden), (Why::Loss, 5), "{record}");
    for layer in &layers {
        assert!(bed.is_listed(layer));
        assert!(bed.file(&digest(layer)).exists());
    }
    store(&bed.cache, &noise(50)).await;
}
