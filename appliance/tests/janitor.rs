//! The janitor's worker as a real process that hangs, dies and grows.
//!
//! Nothing here waits without a bound, and what is waited for is an event: a step, a state, the end of a process.

use std::{
    collections::BTreeSet,
    fs, io,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use larder::{
    janitor::{
        Activity, Cursor, Effect, Ending, FAULT_VARIABLE, Failure, Finding, Folder, Job, JobError, Name,
        Pace, Part, Program, Reading, Report, Settings, Start, Started, Starts, Step, Supervisor,
        SupervisorState, Walk,
    },
    oci::{Algorithm, Digest},
};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, unix::AsyncFd},
    sync::mpsc,
    time::timeout,
};

const LARDER: &str = env!("CARGO_BIN_EXE_larder");
/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Three files a step.
const SMALL: Pace = Pace {
    files: 3,
    time: Duration::from_millis(100),
    rest: Duration::ZERO,
};

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("in time")
}

/// The real program, with a fault for each of the first starts.
struct Faulty {
    faults: Vec<String>,
    starts: AtomicUsize,
}

impl Start for Faulty {
    fn start(&self) -> io::Result<Started> {
        let program = Program::at(LARDER);
        match self.faults.get(self.starts.fetch_add(1, SeqCst)) {
            Some(fault) => program.variable(FAULT_VARIABLE, fault).start(),
            None => program.start(),
        }
    }
}

struct Bed {
    dir: TempDir,
    blobs: Vec<Digest>,
}

impl Bed {
    fn new(count: u32) -> Self {
        Self::within(tempfile::tempdir().expect("folder"), count)
    }

    fn within(dir: TempDir, count: u32) -> Self {
        for folder in ["blobs", "fill"] {
            fs::create_dir(dir.path().join(folder)).expect("made");
        }
        let mut bed = Self {
            dir,
            blobs: Vec::new(),
        };
        bed.fill(count);
        bed
    }

    fn fill(&mut self, count: u32) {
        let blob = |n: u32| {
            let digest = Digest::of(Algorithm::Sha256, &n.to_be_bytes());
            fs::write(self.blob(&digest), n.to_be_bytes()).expect("written");
            digest
        };
        let mut blobs: Vec<_> = (0..count).map(blob).collect();
        blobs.sort();
        self.blobs = blobs;
    }

    fn blob(&self, digest: &Digest) -> std::path::PathBuf {
        self.dir.path().join("blobs").join(digest.file_name())
    }

    fn left(&self) -> usize {
        fs::read_dir(self.dir.path().join("blobs"))
            .expect("listed")
            .count()
    }

    fn settings(&self) -> Settings {
        settings(self.dir.path())
    }

    fn supervisor(&self, faults: &[&str]) -> Supervisor {
        supervisor(self.settings(), faults)
    }
}

fn settings(folder: &Path) -> Settings {
    Settings {
        folder: folder.to_owned(),
        memory: 64 << 20,
        step_deadline: Duration::from_secs(1),
        grace: Duration::from_millis(200),
        kill_grace: Duration::from_secs(10),
        start_deadline: Duration::from_secs(20),
        patience: PATIENCE,
        idle_after: PATIENCE,
        trip: 3,
        rests: (Duration::from_millis(500), Duration::from_secs(2)),
    }
}

fn supervisor(settings: Settings, faults: &[&str]) -> Supervisor {
    let process = Arc::new(Faulty {
        faults: faults.iter().map(ToString::to_string).collect(),
        starts: AtomicUsize::new(0),
    });
    let starts = Starts {
        process,
        thread: None,
    };
    Supervisor::new(starts, settings, fastrand::Rng::with_seed(1))
}

fn scan() -> Job {
    Job::Walk(Walk::Scan { from: Cursor::START })
}

fn scrub() -> Job {
    Job::Walk(Walk::Scrub {
        from: Cursor::START,
        source: Reading::Medium,
        rate: None,
    })
}

/// Does a job, showing each step to `look` before the next is made.
async fn done(
    supervisor: &Supervisor,
    job: Job,
    pace: Pace,
    mut look: impl FnMut(&Step),
) -> (Result<Report, JobError>, Vec<Step>) {
    let (steps, mut taken) = mpsc::channel(1);
    let all = async {
        let mut all = Vec::new();
        while let Some(step) = taken.recv().await {
            look(&step);
            all.push(step);
        }
        all
    };
    soon(async { tokio::join!(supervisor.run(job, pace, steps), all) }).await
}

fn found(steps: &[Step]) -> Vec<Digest> {
    let findings = steps.iter().flat_map(|step| &step.findings);
    findings
        .map(|finding| match finding {
            Finding::File { name, .. } | Finding::Verified { name, .. } => name.digest().expect("a digest"),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn worker(state: &SupervisorState) -> Pid {
    let process = state.worker.as_ref().and_then(|worker| worker.process);
    Pid::from_raw(process.expect("a process").cast_signed()).expect("an id")
}

/// Waits until a process has ended.
async fn gone(process: Pid) {
    let Ok(handle) = pidfd_open(process, PidfdFlags::NONBLOCK) else {
        return;
    };
    #[expect(
        deprecated,
        reason = "its successor is unsafe; this value owns its descriptor"
    )]
    let handle = AsyncFd::new(handle).expect("watched");
    let _guard = soon(handle.readable()).await.expect("ended");
}

#[tokio::test]
async fn every_job_is_done_whatever_happens_at_any_of_its_steps() {
    for kind in ["exit", "abort", "eat-memory", "hang"] {
        for task in ["scan", "scrub", "unlink"] {
            for step in 1..=3 {
                let bed = Bed::new(9);
                let fault = format!("{kind}@{task}:{step}");
                let supervisor = bed.supervisor(&[&fault]);
                let restarts = match task {
                    "unlink" => {
                        let (report, _) = done(
                            &supervisor,
                            Job::Unlink(Folder::Blobs, bed.blobs.clone()),
                            SMALL,
                            |_| {},
                        )
                        .await;
                        let report = report.expect(&fault);
                        let settled = report.progress.files + report.progress.missing;
                        assert_eq!((settled, bed.left()), (9, 0), "{fault}");
                        report.restarts
                    }
                    task => {
                        let job = if task == "scan" { scan() } else { scrub() };
                        let (report, steps) = done(&supervisor, job, SMALL, |_| {}).await;
                        assert_eq!(found(&steps), bed.blobs, "{fault}: each once, in order");
                        report.expect(&fault).restarts
                    }
                };
                let counts = supervisor.state().counts;
                let hangs = u64::from(kind == "hang");
                assert_eq!(restarts, 1, "{fault}");
                assert_eq!((counts.started, counts.killed), (2, hangs), "{fault}");
                assert_eq!((counts.died, counts.hung), (1 - hangs, 0), "{fault}");
                soon(supervisor.stop()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_stopped_worker_is_replaced_and_the_job_goes_on_from_its_cursor() {
    let bed = Bed::new(12);
    let supervisor = bed.supervisor(&[]);
    let mut stopped = None;
    let (report, steps) = done(&supervisor, scan(), SMALL, |_| {
        if stopped.is_none() {
            let process = worker(&supervisor.state());
            kill_process(process, Signal::STOP).expect("stopped");
            stopped = Some(process);
        }
    })
    .await;
    assert_eq!(report.expect("done").restarts, 1);
    assert_eq!(found(&steps), bed.blobs, "each once, in order");
    gone(stopped.expect("stopped")).await;
    let counts = supervisor.state().counts;
    assert_eq!((counts.started, counts.killed, counts.hung), (2, 1, 0));
}

#[tokio::test]
async fn workers_killed_at_random_lose_nothing() {
    let bed = Bed::new(200);
    let supervisor = bed.supervisor(&[]);
    let mut random = fastrand::Rng::with_seed(7);
    let mut kills = 0;
    let one = Pace { files: 1, ..SMALL };
    let (report, steps) = done(&supervisor, scan(), one, |_| {
        let state = supervisor.state();
        if random.u8(..) < 16 && state.worker.is_some() {
            // It may have gone already.
            kills += u32::from(kill_process(worker(&state), Signal::KILL).is_ok());
        }
    })
    .await;
    let report = report.expect("done");
    assert_eq!(found(&steps), bed.blobs, "each once, in order");
    assert!(
        kills > 3 && report.restarts > 0,
        "{kills} kills, {} restarts",
        report.restarts
    );
}

#[tokio::test]
async fn a_worker_that_grows_dies_alone_and_the_circuit_opens_and_closes() {
    let bed = Bed::new(6);
    let supervisor = bed.supervisor(&["eat-memory@scrub:1"; 4]);
    let error = done(&supervisor, scrub(), SMALL, |_| {})
        .await
        .0
        .expect_err("three died");
    let JobError::CircuitOpen { until, why, .. } = error else {
        panic!("{error}")
    };
    match why {
        Failure::Died {
            ending, last_words, ..
        } => {
            assert_eq!(ending, Ending::Signal(6));
            assert!(last_words.contains("memory allocation of"), "{last_words}");
        }
        other => panic!("{other}"),
    }
    assert!(matches!(
        supervisor.state().activity,
        Activity::CircuitOpen { .. }
    ));
    let refused = done(&supervisor, scan(), SMALL, |_| {})
        .await
        .0
        .expect_err("at once");
    assert_eq!(refused.retry_at(), Some(until));
    assert_eq!(supervisor.state().counts.started, 3);

    // One try is made, and fails; the next rest is longer.
    tokio::time::sleep_until(until).await;
    let error = done(&supervisor, scrub(), SMALL, |_| {})
        .await
        .0
        .expect_err("the fourth");
    let again = error.retry_at().expect("open");
    assert!(again > until);
    assert_eq!(supervisor.state().counts.started, 4);
    tokio::time::sleep_until(again).await;
    let (report, steps) = done(&supervisor, scrub(), SMALL, |_| {}).await;
    assert_eq!((report.is_ok(), found(&steps)), (true, bed.blobs.clone()));
    assert!(matches!(supervisor.state().activity, Activity::Idle));
}

#[tokio::test]
async fn the_file_at_which_workers_hang_is_named_and_can_be_stepped_over() {
    let bed = Bed::new(3);
    let fifo = bed.blob(&bed.blobs[1]);
    fs::remove_file(&fifo).expect("removed");
    // Opening a pipe to which nobody writes takes for ever, like reading a sector of a dying disk.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("made");
    let supervisor = bed.supervisor(&[]);
    let (report, steps) = done(&supervisor, scrub(), SMALL, |_| {}).await;
    assert_eq!(found(&steps), bed.blobs[..1]);
    let JobError::CircuitOpen {
        until, why, reached, ..
    } = report.expect_err("it hangs")
    else {
        panic!("open")
    };
    let Failure::Silent { at, .. } = why else {
        panic!("{why}")
    };
    let at = at.expect("a name");
    assert_eq!(at.digest(), Some(bed.blobs[1]));
    assert_eq!(reached.after(), Some(&Name::from(&bed.blobs[0])));
    tokio::time::sleep_until(until).await;
    let rest = Job::Walk(Walk::Scrub {
        from: Cursor::past(reached.folder(), at),
        source: Reading::Medium,
        rate: None,
    });
    let (report, steps) = done(&supervisor, rest, SMALL, |_| {}).await;
    assert_eq!((report.is_ok(), found(&steps)), (true, bed.blobs[2..].to_vec()));
}

#[tokio::test]
async fn the_worker_is_limited_and_says_how() {
    let bed = Bed::new(3);
    let supervisor = bed.supervisor(&["hang@scan:9"]);
    let gone = soon(supervisor.unlink(bed.blobs.clone()))
        .await
        .expect("within its limits");
    assert_eq!(gone.files, 3);
    let state = supervisor.state();
    let process = worker(&state).as_raw_nonzero();
    let told = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).expect("read");
    assert_eq!(told("oom_score_adj").trim(), "1000");
    let stat = told("stat");
    let fields: Vec<_> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    assert_eq!(
        (fields[16], fields[38]),
        ("10", "0"),
        "nice, and not of the idle class: {stat}"
    );
    let data = told("limits")
        .lines()
        .find(|line| line.starts_with("Max data size"))
        .map(str::to_owned);
    assert!(data.expect("a limit").contains(&(64 << 20).to_string()));
    assert_eq!(
        told("environ"),
        format!("{FAULT_VARIABLE}=hang@scan:9\0"),
        "nothing of ours"
    );
    let rss = told("status")
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .map(str::to_owned);
    let limits = state.worker.expect("a worker").limits;
    for limit in &limits {
        println!("{limit}");
    }
    println!("{}", rss.expect("a peak"));
    let names: Vec<_> = limits.iter().map(|limit| limit.name.as_str()).collect();
    let all = [
        "parent",
        "memory",
        "memory group",
        "first to go",
        "nice",
        "landlock",
    ];
    assert_eq!(names, all);
    let missing = limits
        .iter()
        .filter(|limit| matches!(limit.effect, Effect::Missing(_)));
    for limit in missing {
        assert!(
            ["memory group", "landlock"].contains(&limit.name.as_str()),
            "{limit}"
        );
    }
}

#[test]
fn it_is_not_for_people() {
    let output = Command::new(LARDER)
        .arg("janitor")
        .stdin(Stdio::null())
        .output()
        .expect("run");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("not for people"), "{text}");
    let help = Command::new(LARDER).arg("--help").output().expect("run");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("janitor"));
}

/// Set for [`a_parent`] only: the folder of its bed.
const PARENT: &str = "LARDER_TEST_PARENT";

/// No test by itself: the process that is killed by the next one.
#[tokio::test]
async fn a_parent() {
    let Some(folder) = std::env::var_os(PARENT) else {
        return;
    };
    let supervisor = supervisor(settings(Path::new(&folder)), &[]);
    let (steps, mut taken) = mpsc::channel(1);
    let rest = Pace {
        files: 1,
        rest: PATIENCE,
        ..SMALL
    };
    let running = tokio::spawn({
        let supervisor = supervisor.clone();
        async move { supervisor.run(scrub(), rest, steps).await.is_ok() }
    });
    taken.recv().await.expect("a step");
    println!("worker {}", worker(&supervisor.state()).as_raw_nonzero());
    let _ = running.await;
}

#[tokio::test]
async fn a_worker_does_not_outlive_its_parent() {
    let bed = Bed::new(3);
    let mut parent = tokio::process::Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "a_parent", "--nocapture"])
        .env(PARENT, bed.dir.path())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("started");
    let mut lines = BufReader::new(parent.stdout.take().expect("a pipe")).lines();
    let worker = loop {
        let line = soon(lines.next_line()).await.expect("read").expect("a line");
        if let Some((_, id)) = line.split_once("worker ") {
            break Pid::from_raw(id.trim().parse().expect("an id")).expect("an id");
        }
    };
    // Stopped, it cannot see that its pipe has ended.
    kill_process(worker, Signal::STOP).expect("stopped");
    soon(parent.kill()).await.expect("killed");
    gone(worker).await;
}

#[tokio::test]
async fn a_joined_job_is_done_once() {
    let bed = Bed::new(6);
    let supervisor = bed.supervisor(&[]);
    let mut second = None;
    let (report, _) = done(&supervisor, scan(), SMALL, |_| {
        if second.is_none() {
            let supervisor = supervisor.clone();
            let (steps, _) = mpsc::channel(1);
            second = Some(tokio::spawn(
                async move { supervisor.run(scan(), SMALL, steps).await },
            ));
        }
    })
    .await;
    assert_eq!(report.expect("done").part, Part::Asked);
    // It came before the end, and joined, or after it, and has no reader: never a second run beside the first.
    let second = soon(second.expect("asked")).await.expect("no panic");
    assert!(matches!(
        second,
        Ok(Report {
            part: Part::Joined,
            ..
        }) | Err(JobError::Unread { .. })
    ));
}

/// A figure, not a bound: how fast files go, beside a loop that does nothing else.
#[tokio::test]
async fn heavy_a_hundred_thousand_files_are_removed() {
    const FILES: u32 = 100_000;
    let memory = Path::new("/dev/shm");
    let folder = || match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let mut bed = Bed::within(folder().expect("folder"), FILES);
    let supervisor = bed.supervisor(&[]);
    let began = Instant::now();
    let (report, steps) = done(&supervisor, scan(), Pace::BRISK, |_| {}).await;
    let scanned = began.elapsed();
    let names = report.expect("done").progress.names;
    assert_eq!(
        found(&steps).into_iter().collect::<BTreeSet<_>>().len(),
        FILES as usize
    );
    let began = Instant::now();
    let gone = soon(supervisor.unlink(bed.blobs.clone())).await.expect("done");
    let removed = began.elapsed();
    assert_eq!((gone.files, bed.left()), (u64::from(FILES), 0));
    let process = worker(&supervisor.state()).as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("read");
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .expect("a peak");

    bed.fill(FILES);
    let began = Instant::now();
    for digest in &bed.blobs {
        fs::remove_file(bed.blob(digest)).expect("removed");
    }
    let alone = began.elapsed();
    let rate = |time: Duration| f64::from(FILES) / time.as_secs_f64();
    println!(
        "scan: {scanned:?}, {:.0} files/s, {names} names read",
        rate(scanned)
    );
    println!("unlink by the worker: {removed:?}, {:.0} files/s", rate(removed));
    println!("unlink by a bare loop: {alone:?}, {:.0} files/s", rate(alone));
    println!("worker's peak: {peak}");
}
