//! The parent's side: starts the worker, gives it jobs, and gets rid of it when it does not do them.
//!
//! | file | what |
//! |---|---|
//! | [`actor`] | one task that owns the worker and the jobs: what comes next |
//! | [`askers`] | its turns: what is owed to those who ask, |
//! | [`dialogue`] | what the worker is told and answers, |
//! | [`deadlines`] | what is done although nothing happens, |
//! | [`silence`] | of which the hardest is whether a silent worker hangs or starves, |
//! | [`ladder`] | and how a worker that is no good is got rid of |
//! | [`lanes`], [`run`] | the jobs that there are; one job over several workers |
//! | [`post`] | the worker that is there, how it comes and goes |
//! | [`link`], [`starter`] | its pipes; the thread that starts workers |
//! | [`circuit`] | whether to try at all |
//! | [`settings`], [`state`] | bounds; what is told |
//!
//! The ladder for a worker that says nothing: cancelled after `step_deadline`, killed after `grace`, given up
//! after `kill_grace` (a process that waits for a dying disk cannot be killed), replaced by another that goes on
//! from the last step which its asker has taken. One that is silent because the box is busy (it waits for the CPU, or
//! moves from call to call on a slow disk) gets up to [`silence::MOST_SPARED`] deadlines more first. After `trip` failures in a row with no progress between them
//! jobs are refused for a while; then one try. There are never more than [`MOST_ABANDONED`] workers that were
//! given up.
//!
//! **When no process can be started** (no memory, no process ids, no program), files are removed by a thread of
//! the mirror: a full disk must be emptied also when memory is short. Scans and scrubs wait until the circuit
//! lets them try again. The thread cannot be killed, but it can be given up like a process.
//!
//! Promises: every wait is bounded; a second asker for the same job joins the first; whoever takes no steps slows
//! the worker and is not taken for a worker that hangs. Must not know: what is worth removing.

mod actor;
mod askers;
mod circuit;
mod deadlines;
mod dialogue;
mod ladder;
mod lanes;
mod link;
mod post;
mod run;
mod settings;
mod silence;
mod starter;
mod state;

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    error::JobError,
    job::{Finding, Job, Pace, Refusal},
    place::{Cursor, Folder, Name},
    start::Start,
};
use actor::{Actor, Request};
pub use run::{Part, Report, Step};
pub use settings::Settings;
pub use state::{Activity, Counts, JobState, Resting, SupervisorState, WorkerFacts};

use run::Ticket;

/// Jobs that may wait for their turn.
const WAITING: usize = 32;
/// Workers that were given up and are still there. With so many, no other is started.
const MOST_ABANDONED: u32 = 2;

/// What starts workers.
#[derive(Clone)]
pub struct Starts {
    pub process: Arc<dyn Start>,
    /// What removes files when no process can be started.
    pub thread: Option<Arc<dyn Start>>,
}

/// The worker's owner. Clones are the same one. When the last is dropped, the worker ends.
#[derive(Clone, Debug)]
pub struct Supervisor {
    requests: mpsc::Sender<Request>,
    state: watch::Receiver<SupervisorState>,
}

/// What became of files that were to be removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unlinked {
    pub files: u64,
    pub bytes: u64,
    /// Those that were not there.
    pub missing: u64,
    /// Those that could not be removed.
    pub kept: Vec<(Name, Refusal)>,
}

impl Supervisor {
    /// Starts nothing yet: a worker is started for the first job. To be called within a runtime.
    pub fn new(starts: Starts, settings: Settings, rng: fastrand::Rng) -> Self {
        let (requests, incoming) = mpsc::channel(WAITING);
        let (told, state) = watch::channel(SupervisorState::default());
        tokio::spawn(Actor::new(starts, settings, rng, told).run(incoming));
        Self { requests, state }
    }

    /// Does a job. Each step goes to `steps` and must be taken before the next is made; dropping the receiver
    /// cancels the job. One who joins a job that is under way gets no steps. Dropping the future leaves the job
    /// to go on.
    pub async fn run(&self, job: Job, pace: Pace, steps: mpsc::Sender<Step>) -> Result<Report, JobError> {
        let task = job.task();
        let stopped = move || JobError::Stopped {
            task,
            reached: Cursor::START,
        };
        let (done, outcome) = oneshot::channel();
        let ticket = Ticket {
            job,
            pace,
            steps,
            done,
        };
        match self.requests.try_send(Request::Run(Box::new(ticket))) {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(stopped())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(JobError::Busy { task }),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(stopped()),
        }
    }

    /// Removes blob files, and says which could not be removed.
    pub async fn unlink(&self, digests: Vec<crate::oci::Digest>) -> Result<Unlinked, JobError> {
        self.unlink_in(Folder::Blobs, digests).await
    }

    /// The same, in a folder.
    pub async fn unlink_in(
        &self,
        folder: Folder,
        digests: Vec<crate::oci::Digest>,
    ) -> Result<Unlinked, JobError> {
        let (steps, mut taken) = mpsc::channel::<Step>(1);
        let kept = async {
            let mut kept = Vec::new();
            while let Some(step) = taken.recv().await {
                kept.extend(step.findings.into_iter().filter_map(|finding| match finding {
                    Finding::Kept { name, why } => Some((name, why)),
                    _ => None,
                }));
            }
            kept
        };
        let job = self.run(Job::Unlink(folder, digests), Pace::BRISK, steps);
        let (report, kept) = tokio::join!(job, kept);
        let progress = report?.progress;
        Ok(Unlinked {
            files: progress.files,
            bytes: progress.bytes,
            missing: progress.missing,
            kept,
        })
    }

    /// How it is. Never waits.
    pub fn state(&self) -> SupervisorState {
        self.state.borrow().clone()
    }

    /// The same, with its changes.
    pub fn watch(&self) -> watch::Receiver<SupervisorState> {
        self.state.clone()
    }

    /// Ends the jobs and the worker, within the two graces. Later jobs are refused.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        // If it has stopped already, so much the better.
        if self.requests.send(Request::Stop(done)).await.is_ok() {
            let _ = stopped.await;
        }
    }
}

#[cfg(test)]
mod tests;
