//! The supervisor with workers that are threads or scripts: what cannot be killed, and what speaks nonsense.
//! Real processes: `tests/janitor`.

mod acting;
mod askers;
mod failures;
mod jobs;

use std::{
    fs,
    future::Future,
    io,
    path::Path,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};
use rustix::io::Errno;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::{
    cache::{Call, Disk, Faults},
    janitor::{
        job::Walk,
        start::{Started, Thread},
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
