//! The collector's hands: what can hang, grow or crash is done by a process of its own.
//!
//! | file | what |
//! |---|---|
//! | [`job`], [`place`] | what can be done, how far it has come, what was found |
//! | [`supervisor`] | the parent's side: one worker, watched |
//! | [`start`] | how a worker comes into being |
//! | [`vitals`] | what the kernel says of one that says nothing |
//! | [`protocol`] | what goes through the pipes |
//! | [`worker`] | the child's side |
//! | [`limits`] | what the worker takes from itself first |
//! | [`error`] | what can go wrong |
//!
//! # Promises
//! 1. Nothing that the worker does or fails to do makes the mirror wait, grow or end.
//! 2. A job that was cut goes on from the last step that its asker has taken.
//! 3. The worker writes nothing, brings to the medium what was written, and removes only what it was told to, below
//!    `blobs/` and `fill/`.
//!
//! Must not know: the index, what is worth keeping, when the time for it is.

mod error;
mod job;
mod limits;
mod place;
mod protocol;
mod start;
mod supervisor;
mod vitals;
mod worker;

use std::io;

use rustix::fs::FileType;

pub use error::{Failure, JobError};
pub use job::{Finding, Job, Kind, Pace, Progress, Reading, Refusal, Task, Walk};
pub use limits::{Effect, Limit};
pub use place::{Cursor, Folder, InvalidPlace, Name};
pub use start::{Ending, Process, Program, Start, Started, Thread};
pub use supervisor::{
    Activity, Counts, JobState, Part, Report, Resting, Settings, Starts, Step, Supervisor, SupervisorState,
    Unlinked, WorkerFacts,
};
pub use vitals::{Condition, Vitals};
pub use worker::WorkerError;

/// Names what is to go wrong in a worker of a debug build. See `worker::fault`.
#[cfg(debug_assertions)]
pub const FAULT_VARIABLE: &str = "LARDER_JANITOR_FAULT";

/// Why this process is no worker.
#[derive(Debug, thiserror::Error)]
pub enum NoWorker {
    #[error(
        "`larder janitor` is not for people: `larder serve` starts it and tells it what to do through pipes"
    )]
    ByHand,
    #[error("work for the mirror")]
    Work(#[from] WorkerError),
}

/// Is a worker until the pipe on standard input ends.
pub fn work() -> Result<(), NoWorker> {
    if !is_pipe(io::stdin()) || !is_pipe(io::stdout()) {
        return Err(NoWorker::ByHand);
    }
    let means = worker::Means::of_process(|cause| {
        // The parent reads this as the last words. The other thread waits for orders and would wait on.
        eprintln!("{cause}");
        std::process::abort();
    });
    // The thread that works ends with the process, wherever it is.
    worker::run(io::stdin().lock(), Box::new(io::stdout()), means)?;
    Ok(())
}

fn is_pipe(end: impl std::os::fd::AsFd) -> bool {
    let kind = rustix::fs::fstat(end).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket))
}
