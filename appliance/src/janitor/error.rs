//! What can go wrong with the worker, and with a job.
//!
//! Promises: an error says what the job had reached, so that it can go on from there. Must not know: who asked.

use std::{io, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    job::{Refusal, Task},
    place::{Cursor, Name},
    start::Ending,
};

/// What was wrong with a worker.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    #[error("the worker cannot be started")]
    Start(#[source] Arc<io::Error>),
    #[error("the worker was not started within {within:?}")]
    StartHung { within: Duration },
    #[error("{count} workers ignored that they were killed and are still there: no other is started")]
    Abandoned { count: u32 },
    #[error("the worker did nothing for {within:?}{}", in_hand(.at.as_ref()))]
    Silent {
        within: Duration,
        /// The file that it had in hand.
        at: Option<Name>,
    },
    #[error("the worker died: {ending}{}{}", in_hand(.at.as_ref()), said(.last_words))]
    Died {
        ending: Ending,
        /// The last line of its standard error.
        last_words: String,
        at: Option<Name>,
    },
    #[error("the worker cannot be understood: {what}")]
    Nonsense { what: String },
}

fn in_hand(name: Option<&Name>) -> String {
    name.map_or_else(String::new, |name| format!(", at {name}"))
}

fn said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

impl Failure {
    /// Nothing ran: a thread of our own might.
    pub(super) const fn is_of_start(&self) -> bool {
        matches!(self, Self::Start(_) | Self::StartHung { .. })
    }
}

/// Why a job was not done to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JobError {
    /// The worker failed several times in a row and is left alone for a while.
    #[error("{} waits until the worker is tried again", .task.name())]
    CircuitOpen {
        task: Task,
        until: Instant,
        reached: Cursor,
        #[source]
        why: Failure,
    },
    /// The disk refused what the job cannot do without. The worker is well.
    #[error("{}: {operation}", .task.name())]
    Refused {
        task: Task,
        operation: String,
        reached: Cursor,
        #[source]
        why: Refusal,
    },
    /// Whoever was to take the findings did not, or has gone.
    #[error("{}: nobody takes what is found", .task.name())]
    Unread { task: Task, reached: Cursor },
    /// The supervisor has stopped, or is about to.
    #[error("{}: the janitor has stopped", .task.name())]
    Stopped { task: Task, reached: Cursor },
    /// So many jobs are waiting already.
    #[error("{}: too many jobs are waiting", .task.name())]
    Busy { task: Task },
}

impl JobError {
    /// Everything up to here is done.
    pub fn reached(&self) -> &Cursor {
        match self {
            Self::CircuitOpen { reached, .. }
            | Self::Refused { reached, .. }
            | Self::Unread { reached, .. }
            | Self::Stopped { reached, .. } => reached,
            Self::Busy { .. } => {
                static START: Cursor = Cursor::START;
                &START
            }
        }
    }

    /// When it is worth trying again, if that is known.
    pub const fn retry_at(&self) -> Option<Instant> {
        match self {
            Self::CircuitOpen { until, .. } => Some(*until),
            _ => None,
        }
    }
}
