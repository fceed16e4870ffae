//! What a cache is opened with.

use std::path::PathBuf;

use super::{disk::Disk, eviction::Kind};

/// Where the cache lives and how much it may take.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cache's own folder. Created if missing.
    pub dir: PathBuf,
    /// Blobs smaller than this many bytes go into the index and cost no inode (`cache.inline_below`). The
    /// cache itself stores what it is told to: see [`super::Cache::inline_below`].
    pub inline_below: u64,
    /// The most bytes of content to hold. `None`: what the filesystem has.
    pub max_bytes: Option<u64>,
    /// The most blob files to hold. `None`: what the filesystem has.
    pub max_inodes: Option<u64>,
    /// The fraction of either limit above which no fill is admitted (`cache.stop`).
    pub stop: f64,
    /// The fraction above which somebody is to make room (`cache.high`): see [`super::Cache::room_wanted`].
    pub high: f64,
    /// Which content goes first.
    pub policy: Kind,
    /// The system calls.
    pub disk: Disk,
}

impl Options {
    /// The defaults of the configuration: inline below 32 KiB, no limit but the filesystem's, stop at 98 %.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            inline_below: 32 << 10,
            max_bytes: None,
            max_inodes: None,
            stop: 0.98,
            high: 0.93,
            policy: Kind::Gdsf,
            disk: Disk::real(),
        }
    }
}
