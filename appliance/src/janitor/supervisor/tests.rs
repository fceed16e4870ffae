//! The supervisor with workers that are threads or scripts: what cannot be killed, and what speaks nonsense.
//! Real processes: `tests/janitor.rs`.

use std::{
    collections::BTreeSet,
    fs,
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use rustix::io::Errno;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use super::*;
use crate::{
    cache::{Call, Disk, Faults},
    janitor::{
        error::Failure,
        job::{Task, Walk},
        start::{Ending, Process, Started, Thread},
    },
    oci::{Algorithm, Digest},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A disk on which a call fails, or does not come back before it is let go.
#[derive(Default)]
struct Faulty {
    fails: Mutex<Option<(Call, Errno)>>,
    blocks: Mutex<Option<Call>>,
    let_go: Condvar,
}

impl Faulty {
    fn block(&self, call: Option<Call>) {
        *self.blocks.lock() = call;
        self.let_go.notify_all();
    }
}

impl Faults for Faulty {
    fn before(&self, call: Call, _: &Path) -> io::Result<()> {
        let mut blocks = self.blocks.lock();
        while *blocks == Some(call) {
            self.let_go.wait(&mut blocks);
        }
        match *self.fails.lock() {
            Some((fails, errno)) if fails == call => Err(errno.into()),
            _ => Ok(()),
        }
    }
}

/// What the n-th start does, counted from zero.
struct Plan<F>(F, AtomicU32);

impl<F: Fn(u32) -> io::Result<Started> + Send + Sync + 'static> Plan<F> {
    fn new(start: F) -> Arc<Self> {
        Arc::new(Self(start, AtomicU32::new(0)))
    }
}

impl<F: Fn(u32) -> io::Result<Started> + Send + Sync + 'static> Start for Plan<F> {
    fn start(&self) -> io::Result<Started> {
        (self.0)(self.1.fetch_add(1, SeqCst))
    }
}

struct Bed {
    dir: TempDir,
    faulty: Arc<Faulty>,
    blobs: Vec<Digest>,
}

impl Bed {
    fn new(count: u32) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        for folder in ["blobs", "fill"] {
            fs::create_dir(dir.path().join(folder)).expect("made");
        }
        let mut blobs: Vec<_> = (0..count)
            .map(|n| {
                let digest = Digest::of(Algorithm::Sha256, &n.to_be_bytes());
                fs::write(dir.path().join("blobs").join(digest.file_name()), n.to_be_bytes())
                    .expect("written");
                digest
            })
            .collect();
        blobs.sort();
        Self {
            dir,
            faulty: Arc::default(),
            blobs,
        }
    }

    fn thread(&self) -> Thread {
        Thread::on(Disk::with_faults(self.faulty.clone()))
    }

    fn settings(&self) -> Settings {
        Settings {
            folder: self.dir.path().to_owned(),
            memory: 64 << 20,
            step_deadline: Duration::from_millis(800),
            grace: Duration::from_millis(100),
            kill_grace: Duration::from_millis(100),
            start_deadline: Duration::from_secs(5),
            patience: Duration::from_secs(20),
            idle_after: Duration::from_secs(60),
            trip: 3,
            rests: (Duration::from_millis(300), Duration::from_secs(1)),
        }
    }

    fn supervisor(&self, process: Arc<dyn Start>, settings: Settings) -> Supervisor {
        let thread: Arc<dyn Start> = Arc::new(self.thread());
        let starts = Starts {
            process,
            thread: Some(thread),
        };
        Supervisor::new(starts, settings, fastrand::Rng::with_seed(1))
    }

    /// A supervisor whose workers are threads: they work like processes, and cannot be killed.
    fn well(&self) -> Supervisor {
        self.supervisor(Arc::new(self.thread()), self.settings())
    }

    fn left(&self) -> usize {
        fs::read_dir(self.dir.path().join("blobs"))
            .expect("listed")
            .count()
    }
}

/// One file a step.
const SLOW: Pace = Pace {
    files: 1,
    time: Duration::from_millis(50),
    rest: Duration::ZERO,
};

fn scan() -> Job {
    Job::Walk(Walk::Scan { from: Cursor::START })
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("in time")
}

/// Does a job and takes all its steps.
async fn done(supervisor: &Supervisor, job: Job) -> (Result<Report, JobError>, Vec<Step>) {
    let (steps, mut taken) = mpsc::channel(1);
    let all = async {
        let mut all = Vec::new();
        while let Some(step) = taken.recv().await {
            all.push(step);
        }
        all
    };
    soon(async { tokio::join!(supervisor.run(job, SLOW, steps), all) }).await
}

fn names(steps: &[Step]) -> Vec<Digest> {
    let findings = steps.iter().flat_map(|step| &step.findings);
    findings
        .filter_map(|finding| match finding {
            Finding::File { name, .. } => name.digest(),
            _ => None,
        })
        .collect()
}

async fn until(supervisor: &Supervisor, mut holds: impl FnMut(&SupervisorState) -> bool) {
    let mut state = supervisor.watch();
    soon(state.wait_for(|state| holds(state)))
        .await
        .expect("it is there");
}

#[tokio::test]
async fn jobs_are_done_and_counted() {
    let bed = Bed::new(12);
    let supervisor = bed.well();
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!(names(&steps), bed.blobs);
    assert_eq!(report.expect("done").progress.files, 12);
    let twice: Vec<_> = bed.blobs[..5].iter().chain(&bed.blobs[..5]).copied().collect();
    let gone = soon(supervisor.unlink(twice)).await.expect("done");
    assert_eq!((gone.files, gone.bytes, gone.missing), (5, 20, 0));
    let gone = soon(supervisor.unlink(bed.blobs[..6].to_vec()))
        .await
        .expect("done");
    assert_eq!((gone.files, gone.missing), (1, 5));
    assert_eq!(bed.left(), 6);
    until(&supervisor, |state| matches!(state.activity, Activity::Idle)).await;
    let counts = supervisor.state().counts;
    assert_eq!(
        (
            counts.started,
            counts.jobs_done,
            counts.files_removed,
            counts.bytes_removed
        ),
        (1, 3, 6, 24)
    );
    soon(supervisor.unlink(Vec::new()))
        .await
        .expect("nothing to do is done");
}

#[tokio::test]
async fn more_files_than_fit_into_an_order_are_removed() {
    let bed = Bed::new(5000);
    let gone = soon(bed.well().unlink(bed.blobs.clone())).await.expect("done");
    assert_eq!((gone.files, bed.left()), (5000, 0));
}

#[tokio::test]
async fn the_same_job_is_done_once_for_all_who_ask() {
    let bed = Bed::new(4);
    let supervisor = bed.well();
    let (steps, mut taken) = mpsc::channel(1);
    let first = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    let mut all = vec![soon(taken.recv()).await.expect("a step")];
    let (joining, unused) = mpsc::channel(1);
    let second = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, joining).await }
    });
    // Its sender is dropped when it has joined.
    let mut unused = unused;
    assert_eq!(soon(unused.recv()).await, None);
    while let Some(step) = soon(taken.recv()).await {
        all.push(step);
    }
    assert_eq!(names(&all), bed.blobs);
    let report = |done: Result<Result<Report, JobError>, _>| done.expect("no panic").expect("done");
    assert_eq!(report(soon(first).await).part, Part::Asked);
    assert_eq!(report(soon(second).await).part, Part::Joined);
    assert_eq!(supervisor.state().counts.jobs_done, 1);
}

#[tokio::test]
async fn an_asker_who_is_slow_is_not_a_worker_that_hangs() {
    let bed = Bed::new(3);
    let supervisor = bed.well();
    let (steps, mut taken) = mpsc::channel(1);
    let job = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    // One step lies in the channel and one waits: for longer than a worker may be silent.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    // What is to be removed does not wait for it.
    soon(supervisor.unlink(bed.blobs[2..].to_vec()))
        .await
        .expect("done");
    let mut all = Vec::new();
    while let Some(step) = soon(taken.recv()).await {
        all.push(step);
    }
    assert_eq!(soon(job).await.expect("no panic").expect("done").restarts, 0);
    assert_eq!(names(&all)[..2], bed.blobs[..2]);
    assert_eq!(supervisor.state().counts.killed, 0);
}

#[tokio::test]
async fn a_walk_that_waits_behind_a_slow_asker_is_not_a_worker_that_hangs() {
    let bed = Bed::new(6);
    let supervisor = bed.well();
    let begin = |job: Job| {
        let (steps, taken) = mpsc::channel(1);
        let supervisor = supervisor.clone();
        let running = tokio::spawn(async move { supervisor.run(job, SLOW, steps).await });
        (running, taken)
    };
    let (removing, mut removed) = begin(Job::Unlink(Folder::Blobs, bed.blobs.clone()));
    soon(removed.recv()).await.expect("a step");
    let (walking, mut walked) = begin(scan());
    // For longer than a worker may be silent.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    while soon(removed.recv()).await.is_some() {}
    while soon(walked.recv()).await.is_some() {}
    for running in [removing, walking] {
        let report = soon(running).await.expect("no panic").expect("done");
        assert_eq!(report.restarts, 0);
    }
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.killed, bed.left()), (1, 0, 0));
}

#[tokio::test]
async fn removing_that_hangs_is_seen_while_a_walk_waits_for_its_asker() {
    let bed = Bed::new(6);
    let supervisor = bed.well();
    let (steps, _never_taken) = mpsc::channel(1);
    let walking = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    // One step lies in the channel and one waits.
    until(&supervisor, |state| match &state.activity {
        Activity::Running(jobs) => jobs.iter().any(|job| job.progress.files > 0),
        _ => false,
    })
    .await;
    bed.faulty.block(Some(Call::Unlink));
    let began = tokio::time::Instant::now();
    let removing = tokio::spawn({
        let (supervisor, blobs) = (supervisor.clone(), bed.blobs.clone());
        async move { supervisor.unlink(blobs).await }
    });
    until(&supervisor, |state| state.counts.hung > 0).await;
    assert!(began.elapsed() < bed.settings().patience, "{:?}", began.elapsed());
    bed.faulty.block(None);
    drop((walking, removing));
}

#[tokio::test]
async fn an_asker_who_takes_nothing_or_goes_ends_its_job_only() {
    let bed = Bed::new(5);
    let settings = Settings {
        patience: Duration::from_millis(200),
        ..bed.settings()
    };
    let supervisor = bed.supervisor(Arc::new(bed.thread()), settings);
    let (steps, _kept) = mpsc::channel(1);
    let error = soon(supervisor.run(scan(), SLOW, steps))
        .await
        .expect_err("unread");
    assert!(
        matches!(error, JobError::Unread { task: Task::Scan, .. }),
        "{error}"
    );
    assert_eq!(error.reached().after().and_then(Name::digest), Some(bed.blobs[0]));

    let (steps, taken) = mpsc::channel(1);
    drop(taken);
    let error = soon(supervisor.run(scan(), SLOW, steps)).await.expect_err("gone");
    assert!(matches!(error, JobError::Unread { .. }), "{error}");
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!((report.is_ok(), names(&steps)), (true, bed.blobs.clone()));
    assert_eq!(supervisor.state().counts.started, 1, "the worker was kept");
}

#[tokio::test]
async fn a_disk_that_refuses_is_not_the_workers_fault() {
    let bed = Bed::new(5);
    let supervisor = bed.well();
    *bed.faulty.fails.lock() = Some((Call::List, Errno::IO));
    for _ in 0..4 {
        let (report, _) = done(&supervisor, scan()).await;
        match report.expect_err("refused") {
            JobError::Refused { why, .. } => assert_eq!(why.errno, Some(Errno::IO.raw_os_error())),
            other => panic!("{other}"),
        }
    }
    *bed.faulty.fails.lock() = None;
    assert!(done(&supervisor, scan()).await.0.is_ok(), "the circuit is closed");
}

#[tokio::test]
async fn files_are_removed_when_no_process_can_be_started() {
    let bed = Bed::new(9);
    let thread = bed.thread();
    let start = Plan::new(move |nth| match nth {
        0..4 => Err(Errno::NOMEM.into()),
        _ => thread.start(),
    });
    let supervisor = bed.supervisor(start, bed.settings());
    let gone = soon(supervisor.unlink(bed.blobs[..3].to_vec()))
        .await
        .expect("by a thread");
    assert_eq!((gone.files, bed.left()), (3, 6));
    let refused = done(&supervisor, scan())
        .await
        .0
        .expect_err("the circuit is open");
    let JobError::CircuitOpen { until, why, .. } = &refused else {
        panic!("{refused}")
    };
    assert!(matches!(why, Failure::Start(error) if Errno::from_io_error(error) == Some(Errno::NOMEM)));
    soon(supervisor.unlink(bed.blobs[3..4].to_vec()))
        .await
        .expect("by a thread");
    let counts = supervisor.state().counts;
    assert_eq!((counts.not_started, counts.files_removed), (3, 4));

    // One try, which fails; then one that does not.
    tokio::time::sleep_until(*until).await;
    let refused = done(&supervisor, scan()).await.0.expect_err("it is open again");
    assert_eq!(supervisor.state().counts.not_started, 4);
    let again = refused.retry_at().expect("it says when");
    assert!(again > *until);
    tokio::time::sleep_until(again).await;
    let (report, steps) = done(&supervisor, scan()).await;
    assert_eq!((report.is_ok(), names(&steps)), (true, bed.blobs[4..].to_vec()));
}

#[tokio::test]
async fn workers_that_cannot_be_killed_are_given_up_and_never_more_than_two() {
    let bed = Bed::new(4);
    let supervisor = bed.well();
    bed.faulty.block(Some(Call::Unlink));
    let error = soon(supervisor.unlink(bed.blobs.clone()))
        .await
        .expect_err("they hang");
    let JobError::CircuitOpen { until, why, .. } = &error else {
        panic!("{error}")
    };
    assert!(matches!(why, Failure::Abandoned { count: 2 }), "{why}");
    let state = supervisor.state();
    assert_eq!(
        (state.counts.started, state.counts.hung, state.abandoned),
        (2, 2, 2)
    );
    let at_once = soon(supervisor.unlink(bed.blobs.clone())).await;
    assert!(matches!(at_once, Err(JobError::CircuitOpen { .. })));

    // The disk comes back.
    bed.faulty.block(None);
    tokio::time::sleep_until(*until).await;
    let done = soon(async {
        loop {
            match supervisor.unlink(bed.blobs.clone()).await {
                Err(error) => tokio::time::sleep_until(error.retry_at().expect("open")).await,
                done => break done,
            }
        }
    });
    done.await.expect("well again");
    assert_eq!(bed.left(), 0);
    until_none_is_abandoned(&supervisor).await;
}

async fn until_none_is_abandoned(supervisor: &Supervisor) {
    soon(supervisor.unlink(Vec::new())).await.expect("well");
    until(supervisor, |state| state.abandoned == 0).await;
}

/// A worker that says what it is told to say, whatever it hears, and ends when it is killed.
fn scripted(words: &[u8]) -> Started {
    let (answers, mut theirs) = tokio::io::duplex(1 << 16);
    let words = words.to_vec();
    let (held, dead) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let _ = theirs.write_all(&words).await;
        let _ = dead.await;
    });
    Started {
        orders: Box::new(tokio::io::sink()),
        answers: Box::new(answers),
        complaints: None,
        process: Box::new(Script(Some(held))),
    }
}

struct Script(Option<oneshot::Sender<()>>);

impl Process for Script {
    fn id(&self) -> Option<u32> {
        None
    }

    fn kill(&mut self) {
        self.0 = None;
    }

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        match self.0 {
            Some(_) => Box::pin(std::future::pending()),
            None => Box::pin(async { Ending::Signal(9) }),
        }
    }
}

#[tokio::test]
async fn nonsense_is_named() {
    use crate::janitor::protocol::{End, FromWorker, VERSION, frame};
    let hello = |version| {
        frame(&FromWorker::Hello {
            version,
            limits: Vec::new(),
        })
        .expect("written")
    };
    let ended = frame(&FromWorker::Ended {
        job: 99,
        end: End::Finished,
    });
    let odd_end = [hello(VERSION), ended.expect("written")].concat();
    let garbage = [hello(VERSION), b"\0\0\0\x03[1]".to_vec()].concat();
    for (words, wanted) in [
        (b"Segmentation fault".to_vec(), "bytes was announced"),
        (hello(VERSION + 1), "greeting in version"),
        (garbage, "`[1]`"),
        (odd_end, "job 99"),
    ] {
        let bed = Bed::new(1);
        let supervisor = bed.supervisor(Plan::new(move |_| Ok(scripted(&words))), bed.settings());
        let error = done(&supervisor, scan()).await.0.expect_err("nonsense");
        let text = crate::source::chain(&error);
        assert!(text.contains(wanted), "{text}");
        assert_eq!(supervisor.state().counts.killed, 3);
    }
}

#[tokio::test]
async fn a_start_that_takes_for_ever_is_given_up() {
    let bed = Bed::new(3);
    let thread = bed.thread();
    // Ends when its other end is dropped.
    let (held, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let start = Plan::new(move |_| {
        let _ = gate.lock().recv();
        thread.start()
    });
    let settings = Settings {
        start_deadline: Duration::from_millis(100),
        ..bed.settings()
    };
    let supervisor = bed.supervisor(start, settings);
    let error = done(&supervisor, scan()).await.0.expect_err("nothing starts");
    assert!(matches!(error, JobError::CircuitOpen { .. }), "{error}");
    assert_eq!(supervisor.state().abandoned, 2);
    drop(held);
}

#[tokio::test]
async fn stopping_ends_everything() {
    let bed = Bed::new(5);
    let supervisor = bed.well();
    let (steps, mut taken) = mpsc::channel(1);
    let job = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scan(), SLOW, steps).await }
    });
    soon(taken.recv()).await.expect("a step");
    soon(supervisor.stop()).await;
    let error = soon(job).await.expect("no panic").expect_err("stopped");
    let JobError::Stopped { reached, .. } = error else {
        panic!("{error}")
    };
    let reached = reached.after().and_then(Name::digest).expect("a place");
    assert!(bed.blobs.iter().collect::<BTreeSet<_>>().contains(&reached));
    assert!(matches!(supervisor.state().activity, Activity::Stopped));
    let later = soon(supervisor.unlink(bed.blobs.clone())).await;
    assert!(matches!(later, Err(JobError::Stopped { .. })));
    soon(supervisor.stop()).await;
    assert_eq!(bed.left(), 5);
}
