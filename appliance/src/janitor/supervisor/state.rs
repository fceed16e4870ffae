//! What the supervisor says of itself, for metrics, people and alerts.

use tokio::time::Instant;

use crate::janitor::{
    error::Failure,
    job::{Progress, Task},
    limits::Limit,
};

/// The supervisor at one moment.
#[derive(Clone, Debug, Default)]
pub struct SupervisorState {
    pub activity: Activity,
    /// The worker that is there.
    pub worker: Option<WorkerFacts>,
    /// Set while the circuit is open, also when a thread removes files meanwhile.
    pub resting: Option<Resting>,
    /// What limits the worker, or limited the last one.
    pub limits: Vec<Limit>,
    pub counts: Counts,
    /// Workers that were killed and are still there.
    pub abandoned: u32,
}

/// The worker failed too often and is left alone. Over when the time has come, also when it was not told since.
#[derive(Clone, Debug)]
pub struct Resting {
    pub until: Instant,
    pub why: Failure,
}

#[derive(Clone, Debug, Default)]
pub enum Activity {
    #[default]
    Idle,
    /// At most one walk and one unlink.
    Running(Vec<JobState>),
    /// The worker failed too often: jobs are refused until then.
    CircuitOpen { until: Instant, why: Failure },
    /// It has stopped for good.
    Stopped,
}

/// A job under way.
#[derive(Clone, Debug)]
pub struct JobState {
    pub task: Task,
    pub since: Instant,
    pub progress: Progress,
    /// Workers that failed at it so far.
    pub restarts: u32,
}

/// A worker and what limits it.
#[derive(Clone, Debug, Default)]
pub struct WorkerFacts {
    /// Its process id; `None`: it is a thread of ours.
    pub process: Option<u32>,
    /// Empty before it has said so.
    pub limits: Vec<Limit>,
}

/// What has happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub started: u64,
    /// Starts that failed.
    pub not_started: u64,
    /// Workers that we killed, because they were silent, spoke nonsense or did not go.
    pub killed: u64,
    /// Workers that ended by themselves when they should not have.
    pub died: u64,
    /// Workers that ignored that they were killed.
    pub hung: u64,
    /// How often a silent worker got more time, because the box was busy.
    pub spared: u64,
    pub jobs_done: u64,
    pub jobs_failed: u64,
    pub files_removed: u64,
    pub bytes_removed: u64,
}
