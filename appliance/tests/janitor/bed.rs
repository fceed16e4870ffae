//! Folders with blobs, a supervisor with the real program, and what happens to it when.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use larder::{
    janitor::{
        Cursor, FAULT_VARIABLE, Finding, Job, JobError, Pace, Program, Reading, Report, Settings, Start,
        Started, Starts, Step, Supervisor, SupervisorState, Walk,
    },
    oci::{Algorithm, Digest},
};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;
use tokio::{io::unix::AsyncFd, sync::mpsc, time::timeout};

pub(crate) const LARDER: &str = env!("CARGO_BIN_EXE_larder");
/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Three files a step.
pub(crate) const SMALL: Pace = Pace {
    files: 3,
    time: Duration::from_millis(100),
    rest: Duration::ZERO,
};

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("in time")
}

/// The real program, with a fault for each of the first starts.
pub(crate) struct Faulty {
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

pub(crate) struct Bed {
    pub(crate) dir: TempDir,
    pub(crate) blobs: Vec<Digest>,
}

impl Bed {
    pub(crate) fn new(count: u32) -> Self {
        Self::within(tempfile::tempdir().expect("folder"), count)
    }

    pub(crate) fn within(dir: TempDir, count: u32) -> Self {
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

    pub(crate) fn fill(&mut self, count: u32) {
        let blob = |n: u32| {
            let digest = Digest::of(Algorithm::Sha256, &n.to_be_bytes());
            fs::write(self.blob(&digest), n.to_be_bytes()).expect("written");
            digest
        };
        let mut blobs: Vec<_> = (0..count).map(blob).collect();
        blobs.sort();
        self.blobs = blobs;
    }

    pub(crate) fn blob(&self, digest: &Digest) -> std::path::PathBuf {
        self.dir.path().join("blobs").join(digest.file_name())
    }

    pub(crate) fn left(&self) -> usize {
        fs::read_dir(self.dir.path().join("blobs"))
            .expect("listed")
            .count()
    }

    pub(crate) fn settings(&self) -> Settings {
        settings(self.dir.path())
    }

    pub(crate) fn supervisor(&self, faults: &[&str]) -> Supervisor {
        supervisor(self.settings(), faults)
    }
}

pub(crate) fn settings(folder: &Path) -> Settings {
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

pub(crate) fn supervisor(settings: Settings, faults: &[&str]) -> Supervisor {
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

pub(crate) fn scan() -> Job {
    Job::Walk(Walk::Scan { from: Cursor::START })
}

pub(crate) fn scrub() -> Job {
    Job::Walk(Walk::Scrub {
        from: Cursor::START,
        source: Reading::Medium,
        rate: None,
    })
}

/// Does a job, showing each step to `look` before the next is made.
pub(crate) async fn done(
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

pub(crate) fn found(steps: &[Step]) -> Vec<Digest> {
    let findings = steps.iter().flat_map(|step| &step.findings);
    findings
        .map(|finding| match finding {
            Finding::File { name, .. } | Finding::Verified { name, .. } => name.digest().expect("a digest"),
            other => panic!("{other:?}"),
        })
        .collect()
}

pub(crate) fn worker(state: &SupervisorState) -> Pid {
    let process = state.worker.as_ref().and_then(|worker| worker.process);
    Pid::from_raw(process.expect("a process").cast_signed()).expect("an id")
}

/// Waits until a process has ended.
pub(crate) async fn gone(process: Pid) {
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
