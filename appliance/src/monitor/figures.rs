//! What the mirror says of itself: the contract between the monitor and whoever knows the house.
//!
//! Promises: what is not known is `None`. Must not know: where it comes from, what is made of it.

use std::time::Duration;

/// Whoever knows how the mirror does. Asked once a round, on a thread of its own: it may wait for the disk, and not for
/// a network.
pub trait House: Send + Sync {
    fn figures(&self) -> Figures;
}

/// How the mirror does. Counts are since it started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    pub traffic: Traffic,
    pub buffers: Buffers,
    pub cache: CacheFigures,
    pub collector: CollectorFigures,
    pub worker: WorkerFigures,
    pub line: Line,
    pub upstreams: Vec<UpstreamFigures>,
    /// How often the mirror's process was started anew within the last hour, where somebody counts it.
    pub restarts: Option<u64>,
    pub duty: Duty,
    /// How long a receiver of alerts has not been reached; of several, the longest.
    pub delivery_lag: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub requests: u64,
    /// Answers that say that this box or an upstream failed, and fills that failed.
    pub failures: u64,
    /// Requests for content that was here, and for content that was not.
    pub hits: u64,
    pub misses: u64,
    /// Bytes that were sent to clients, and that came over the WAN.
    pub served: u64,
    pub fetched: u64,
    /// Fills and requests that are under way.
    pub filling: u64,
    pub answering: u64,
}

/// Memory for content in flight, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffers {
    pub capacity: u64,
    pub in_use: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFigures {
    pub storing: Storing,
    pub index_errors: u64,
    /// Blobs that were lost, wrong or unreadable, and rows that were.
    pub damaged: u64,
}

/// Whether what is fetched is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storing {
    #[default]
    Kept,
    PassedThrough,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectorFigures {
    /// Whether there was enough room after the last collection, or is by now. `None`: nobody knows how full it is.
    pub room: Option<Room>,
    /// How long the last collection took.
    pub took: Option<Duration>,
    /// How long there has been something to give above the high mark.
    pub lag: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    Enough,
    Short,
}

/// The janitor's worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerFigures {
    /// Its process, if there is one.
    pub process: Option<u32>,
    pub work: Work,
    /// Workers that died, had to be killed or could not be started.
    pub failures: u64,
}

/// What the mirror's process does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duty {
    #[default]
    All,
    /// It serves and nothing else, after too many restarts.
    ServingOnly,
}

/// Whether the worker is given anything to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    #[default]
    Given,
    /// It failed too often.
    Withheld,
}

/// Whether something works, as far as what was done with it has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// Nobody used it of late.
    #[default]
    Nothing,
    Works,
    Fails,
}

/// The way to the internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Whether any upstream answers.
    pub wan: Shown,
    /// Whether names are resolved.
    pub names: Shown,
    pub ipv4: Shown,
    pub ipv6: Shown,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct UpstreamFigures {
    pub name: String,
    pub shown: Shown,
    /// Smoothed time to the head of an answer.
    pub latency: Option<Duration>,
    /// Failed calls.
    pub faults: u64,
    /// Requests that may still be made, and how many may be.
    pub left: Option<(u64, u64)>,
}
