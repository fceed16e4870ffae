//! The supervisor's bounds.

use std::{path::PathBuf, time::Duration};

use crate::{config::JanitorConfig, janitor::job::Pace};

/// What the worker gets, and how long each wait is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cache's folder.
    pub folder: PathBuf,
    /// The most memory that the worker may use, in bytes.
    pub memory: u64,
    /// A worker that says nothing for so long is cancelled.
    pub step_deadline: Duration,
    /// It is killed when it has not answered the cancel within this; also how long it may take to go at the end.
    pub grace: Duration,
    /// It is given up when it has not gone this long after it was killed.
    pub kill_grace: Duration,
    /// How long it may take to start and greet.
    pub start_deadline: Duration,
    /// How long whoever asked may take for the findings of one step.
    pub patience: Duration,
    /// A worker without a job is sent away after this.
    pub idle_after: Duration,
    /// So many failures in a row without progress open the circuit.
    pub trip: u32,
    /// The first wait with an open circuit, and the longest.
    pub rests: (Duration, Duration),
}

impl Settings {
    pub fn new(folder: impl Into<PathBuf>, config: &JanitorConfig) -> Self {
        Self {
            folder: folder.into(),
            memory: config.max_memory.bytes(),
            step_deadline: config.step_deadline,
            grace: Duration::from_secs(2),
            kill_grace: Duration::from_secs(5),
            start_deadline: Duration::from_secs(10),
            patience: Duration::from_secs(60),
            idle_after: Duration::from_secs(60),
            trip: 3,
            rests: (Duration::from_secs(30), Duration::from_secs(60 * 60)),
        }
    }

    /// A pace at which a worker that is well cannot miss its deadline.
    pub(super) fn bounded(&self, pace: Pace) -> Pace {
        let most = self.step_deadline / 4;
        Pace {
            files: pace.files.clamp(1, Pace::MOST_FILES),
            time: pace.time.min(most),
            rest: pace.rest.min(most),
        }
    }
}
