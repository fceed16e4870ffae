//! Who is watched, how long each may take for a step, and what helps.
//!
//! A deadline is longer than all the waits that a part bounds by itself: whoever misses it is not slow, it hangs. Must
//! not know: how silence is measured.

use std::{fmt, time::Duration};

/// A part of the house that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Building the house, from the start to the open door.
    Start,
    /// Tasks are run.
    Runtime,
    /// What blocks finds a thread.
    Threads,
    /// Who knocks is answered: the probe knocks.
    Door,
    Index,
    Fills,
    Collector,
    Inspection,
    Sampler,
    Alerts,
}

/// What helps when a part hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing that would not do more harm: people are told.
    Telling,
    /// Its worker is killed, twice; then it is left alone.
    Worker,
    /// The process is started anew.
    Restart,
}

impl Part {
    pub const ALL: [Self; 10] = [
        Self::Start,
        Self::Runtime,
        Self::Threads,
        Self::Door,
        Self::Index,
        Self::Fills,
        Self::Collector,
        Self::Inspection,
        Self::Sampler,
        Self::Alerts,
    ];

    pub(super) const fn place(self) -> usize {
        self as usize
    }

    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Runtime => "runtime",
            Self::Threads => "threads",
            Self::Door => "door",
            Self::Index => "index",
            Self::Fills => "fills",
            Self::Collector => "collector",
            Self::Inspection => "inspection",
            Self::Sampler => "sampler",
            Self::Alerts => "alerts",
        }
    }

    /// How long it may go without a step while it has something to do.
    pub const fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            // With two looks it stays under the 15 s within which a stuck runtime is to be gone.
            Self::Runtime => 8,
            // Each write waits 20 s for the disk at most, and there may be a queue.
            Self::Threads => 120,
            // Three knocks.
            Self::Door => 100,
            Self::Sampler => 180,
            // An index is opened anew, and mended, within one.
            Self::Index => 300,
            // Workers that fail three times, each after six step deadlines.
            Self::Collector | Self::Inspection | Self::Fills | Self::Alerts => 600,
            // A large index on a slow disk after a power cut.
            Self::Start => 1800,
        })
    }

    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Start | Self::Runtime | Self::Threads | Self::Door | Self::Index | Self::Fills => {
                Remedy::Restart
            }
            Self::Collector | Self::Inspection => Remedy::Worker,
            // A box that is blind serves; a restart would be felt.
            Self::Sampler | Self::Alerts => Remedy::Telling,
        }
    }

    /// Whether nobody is served while it hangs.
    pub const fn is_vital(self) -> bool {
        matches!(self, Self::Start | Self::Runtime | Self::Threads | Self::Door)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
