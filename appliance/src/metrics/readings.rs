//! What is asked of the rest of the box when somebody scrapes, instead of being counted all the time.

use std::fmt;

use crate::{
    memory::PoolUsage,
    oci::UpstreamName,
    source::{Health, SourceName},
};

/// The state of the box now. Called once per scrape: must not wait for a disk or a network.
pub trait Readings: fmt::Debug + Send + Sync + 'static {
    fn pool(&self) -> PoolUsage;

    fn endpoints(&self) -> Vec<EndpointReading>;

    fn ledger(&self) -> Vec<LedgerReading>;

    /// `None` while the cache is not open.
    fn cache(&self) -> Option<CacheReading>;

    /// Log lines that were dropped since the start.
    fn log_lines_dropped(&self) -> u64;
}

/// Whether an endpoint is worth asking.
#[derive(Clone, Debug)]
pub struct EndpointReading {
    pub upstream: UpstreamName,
    pub endpoint: SourceName,
    pub health: Health,
}

/// What an upstream lets us ask still.
#[derive(Clone, Debug)]
pub struct LedgerReading {
    pub upstream: UpstreamName,
    /// Requests in a window, if the upstream says so.
    pub limit: Option<u64>,
    /// Of them, left.
    pub remaining: Option<u64>,
}

/// What the cache holds and may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheReading {
    pub bytes: u64,
    pub bytes_limit: u64,
    pub inodes: u64,
    pub inodes_limit: u64,
    pub blobs: u64,
    pub manifests: u64,
    /// Since the start.
    pub evicted_bytes: u64,
    /// Since the start.
    pub evicted_images: u64,
}
