//! A worker as a thread, spoken to in its own words.

mod orders;
mod refusals;
mod removing;
mod scrubs;
mod walks;

use std::{
    collections::BTreeSet, fs, os::unix::net::UnixStream, path::PathBuf, sync::Arc, thread::JoinHandle,
    time::Duration,
};

use parking_lot::Mutex;
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::{
    cache::{Call, Faults},
    janitor::{
        job::{Finding, Pace, Progress, Reading},
        place::{Cursor, Folder, Name},
        protocol::JobId,
    },
    oci::{Algorithm, Digest},
};

/// No test waits longer than this for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Steps of three files.
const SMALL: Pace = Pace {
    files: 3,
    time: Duration::from_secs(5),
    rest: Duration::ZERO,
};

type Rule = Box<dyn Fn(Call, &Path) -> Option<Errno> + Send>;

#[derive(Default)]
struct Faulty(Mutex<Option<Rule>>);

impl Faults for Faulty {
    fn before(&self, call: Call, path: &Path) -> std::io::Result<()> {
        let fault = self.0.lock().as_ref().and_then(|rule| rule(call, path));
        fault.map_or(Ok(()), |errno| Err(errno.into()))
    }
}

/// A folder with a worker at it.
struct Rig {
    dir: TempDir,
    faulty: Arc<Faulty>,
    pipe: UnixStream,
    worker: JoinHandle<Result<Option<JoinHandle<()>>, WorkerError>>,
}

/// All that a job said.
struct Told {
    findings: Vec<Finding>,
    steps: Vec<Progress>,
    end: End,
}

impl Rig {
    /// A worker that holds seven names at a time.
    fn new() -> Self {
        let rig = Self::bare();
        rig.say(&ToWorker::Hello {
            version: VERSION,
            folder: rig.dir.path().to_owned(),
            memory: 64 << 20,
        });
        assert!(matches!(rig.hear(), FromWorker::Hello { version: VERSION, .. }));
        rig
    }

    /// One that was not greeted.
    fn bare() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        for folder in ["blobs", "fill"] {
            fs::create_dir(dir.path().join(folder)).expect("made");
        }
        let faulty = Arc::<Faulty>::default();
        let (pipe, theirs) = UnixStream::pair().expect("a pipe");
        pipe.set_read_timeout(Some(PATIENCE)).expect("set");
        let means = Means {
            held: 7,
            ..Means::of_thread(Disk::with_faults(faulty.clone()))
        };
        let worker = std::thread::spawn(move || {
            let output = Box::new(theirs.try_clone().expect("cloned"));
            run(theirs, output, means)
        });
        Self {
            dir,
            faulty,
            pipe,
            worker,
        }
    }

    fn say(&self, message: &ToWorker) {
        protocol::write(&mut &self.pipe, message).expect("said");
    }

    fn hear(&self) -> FromWorker {
        protocol::read(&mut &self.pipe)
            .expect("in time")
            .expect("an answer")
    }

    fn fail(&self, rule: impl Fn(Call, &Path) -> Option<Errno> + Send + 'static) {
        *self.faulty.0.lock() = Some(Box::new(rule));
    }

    fn path(&self, folder: Folder, name: &str) -> PathBuf {
        self.dir.path().join(folder.to_string()).join(name)
    }

    /// A file with its own name, or with another's.
    fn file(&self, folder: Folder, content: &[u8], name: &[u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, name);
        fs::write(self.path(folder, &digest.file_name()), content).expect("written");
        digest
    }

    fn blobs(&self, count: u32) -> Vec<Digest> {
        let blob = |n: u32| n.to_string().into_bytes();
        (0..count)
            .map(|n| self.file(Folder::Blobs, &blob(n), &blob(n)))
            .collect()
    }

    fn begin(&self, job: JobId, order: Order, pace: Pace) {
        self.say(&ToWorker::Begin {
            job,
            order,
            pace,
            careful: 0,
        });
    }

    /// Takes steps until the job ends, or until so many were taken and the next one is cancelled.
    fn follow(&self, job: JobId, most: usize) -> Told {
        let mut told = Told {
            findings: Vec::new(),
            steps: Vec::new(),
            end: End::Cancelled,
        };
        loop {
            match self.hear() {
                FromWorker::Step {
                    job: of, progress, ..
                } if told.steps.len() >= most => {
                    assert_eq!(of, job, "{progress:?}");
                    self.say(&ToWorker::Cancel { job });
                }
                FromWorker::Step {
                    job: of,
                    findings,
                    progress,
                } => {
                    assert_eq!(of, job);
                    told.findings.extend(findings);
                    told.steps.push(progress);
                    self.say(&ToWorker::Taken { job });
                }
                FromWorker::Ended { job: of, end } => {
                    assert_eq!(of, job);
                    told.end = end;
                    return told;
                }
                FromWorker::Hello { .. } => panic!("a second greeting"),
            }
        }
    }

    fn job(&self, job: JobId, order: Order, pace: Pace) -> Told {
        self.begin(job, order, pace);
        self.follow(job, usize::MAX)
    }

    /// Closes the pipe and hears how the worker ended.
    fn end(self) -> Result<(), WorkerError> {
        self.pipe.shutdown(std::net::Shutdown::Write).expect("shut");
        let hands = self.worker.join().expect("no panic")?;
        hands.map_or(Ok(()), |hands| {
            hands.join().expect("no panic");
            Ok(())
        })
    }
}

fn scan(from: Cursor) -> Order {
    Order::Walk(Walk::Scan { from })
}

fn scrub(from: Cursor) -> Order {
    Order::Walk(Walk::Scrub {
        from,
        source: Reading::Medium,
        rate: None,
    })
}

fn unlink(digests: &[Digest]) -> Order {
    Order::Unlink {
        folder: Folder::Blobs,
        names: digests.iter().map(Name::from).collect(),
    }
}
