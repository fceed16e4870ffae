//! What is asked of the rest of the box when somebody scrapes, instead of being counted all the time.

use std::{fmt, time::Duration};

use crate::{
    memory::PoolUsage,
    oci::UpstreamName,
    source::{Health, SourceName},
};

/// The state of the box now. Called once per scrape: must not wait for a network.
pub trait Readings: fmt::Debug + Send + Sync + 'static {
    fn pool(&self) -> PoolUsage;

    fn endpoints(&self) -> Vec<EndpointReading>;

    /// At most one per upstream.
    fn ledger(&self) -> Vec<LedgerReading>;

    fn wan(&self) -> WanReading;

    fn cache(&self) -> CacheReading;

    fn upkeep(&self) -> UpkeepReading;

    fn watch(&self) -> WatchReading;

    fn watchdog(&self) -> WatchdogReading;

    /// Log lines that were dropped since the start.
    fn log_lines_dropped(&self) -> u64;
}

/// How an endpoint does, and what it gave. Counts are since the start.
#[derive(Clone, Debug)]
pub struct EndpointReading {
    pub upstream: UpstreamName,
    pub endpoint: SourceName,
    pub health: Health,
    /// Bytes of blobs that came from it.
    pub wan_bytes: u64,
    /// Calls that were let through to it.
    pub requests: u64,
    /// Smoothed time to the head of an answer, once there was one.
    pub latency: Option<Duration>,
    /// Failed calls, by what failed.
    pub faults: Vec<(&'static str, u64)>,
}

/// What an upstream lets us ask still.
#[derive(Clone, Debug)]
pub struct LedgerReading {
    pub upstream: UpstreamName,
    /// Requests in a window.
    pub limit: u64,
    /// Of them, left.
    pub remaining: u64,
}

/// What went over the WAN, of all upstreams. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WanReading {
    /// Bytes, headers and encryption included.
    pub received: u64,
    pub connections: u64,
    /// HTTP requests by what was asked.
    pub requests: Vec<(&'static str, u64)>,
}

/// What the cache holds, and how it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheReading {
    /// Whole content: files, inline blobs and manifests.
    pub blobs: u64,
    /// Of them, in the index.
    pub inline: u64,
    pub files: u64,
    pub manifests: u64,
    pub tags: u64,
    /// Of all content, in files and in the index.
    pub bytes: u64,
    /// Of the bytes of content, those in the index.
    pub inline_bytes: u64,
    pub index_bytes: u64,
    /// Blobs that began to arrive and are not whole.
    pub partials: u64,
    /// Of them, arriving now.
    pub filling: u64,
    pub storing: Storing,
    /// The cache's own limits, if it has any.
    pub bytes_limit: Option<u64>,
    pub inodes_limit: Option<u64>,
    /// `None` when the disk cannot be asked.
    pub filesystem: Option<FilesystemReading>,
    /// Durable transactions of the index since the start.
    pub commits: u64,
    /// Times the index was opened anew.
    pub reopens: u64,
    /// Times a smaller file took the index's place.
    pub compactions: u64,
    pub damaged_rows: u64,
    /// Transactions and openings that failed.
    pub errors: u64,
}

/// Whether content is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    Kept,
    /// The disk refuses: content passes through.
    Refused,
}

/// The room on the cache's disk, in bytes and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilesystemReading {
    pub bytes: u64,
    pub free_bytes: u64,
    /// Zero on a filesystem that does not count them.
    pub inodes: u64,
    pub free_inodes: u64,
}

/// What the box does on its own. Counts are since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpkeepReading {
    /// Collections by what set them off, how they ended, and how many.
    pub collections: Vec<(&'static str, &'static str, u64)>,
    pub evicted_pieces: u64,
    pub evicted_bytes: u64,
    /// Files that are off the list and still there.
    pub condemned: u64,
    pub worker: WorkerReading,
    pub inspections: Vec<InspectionReading>,
}

/// Whether the parts of the box get on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchdogReading {
    /// Seconds for which each part has made no progress though it has something to do.
    pub silences: Vec<(&'static str, u64)>,
    /// 1 while it is so.
    pub safe_mode: u64,
    /// 1 while what can wait waits for memory.
    pub paused: u64,
    /// Resets that are remembered, by what was reset.
    pub resets: [(&'static str, u64); 2],
}

/// How the janitor's worker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerReading {
    pub started: u64,
    pub not_started: u64,
    pub killed: u64,
    pub died: u64,
    pub hung: u64,
    pub spared: u64,
    pub circuit: Circuit,
}

/// Whether the worker is given anything to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Circuit {
    #[default]
    Closed,
    Open,
}

/// One kind of inspection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InspectionReading {
    /// `scan` or `scrub`.
    pub what: &'static str,
    pub done: u64,
    pub failed: u64,
    pub files: u64,
    pub bytes: u64,
    /// What was found, by its word.
    pub findings: [(&'static str, u64); 9],
}

/// What the box watches, and whom it tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WatchReading {
    /// Metric, thing and value.
    pub samples: Vec<(&'static str, String, f64)>,
    /// Metric, reason and count since the start.
    pub dropped: Vec<(&'static str, &'static str, u64)>,
    /// Severity, phase and count.
    pub alerts: Vec<(&'static str, &'static str, u64)>,
    pub receivers: Vec<ReceiverReading>,
    pub lost: u64,
    /// Between two samples; nothing when there are none.
    pub interval: Option<Duration>,
}

/// How it goes with one who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverReading {
    pub name: String,
    /// Messages that it has had, over the life of the box.
    pub delivered: u64,
    /// How long nothing has reached it.
    pub failing: Duration,
}
