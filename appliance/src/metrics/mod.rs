//! Counters of everything, and their rendering for Prometheus.
//!
//! Promises: counting is a few atomic additions, with no lock and no allocation; reading happens at scrape
//! time only. Must not know: who counts, nor how an answer gets to the scraper.

mod families;
mod histogram;
mod labels;
mod process;
mod readings;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::registry::Registry;

pub use histogram::Histogram;
pub use labels::{FillFailure, Kind, Outcome, StatusClass};
pub use readings::{
    CacheReading, Circuit, EndpointReading, FilesystemReading, InspectionReading, LedgerReading, Readings,
    ReceiverReading, Storing, UpkeepReading, WanReading, WatchReading, WatchdogReading, WorkerReading,
};

/// The media type of [`Exposition::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type ByKind<T> = [T; Kind::ALL.len()];

/// The counters. Shared by reference; every update is lock-free.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: ByKind<[AtomicU64; StatusClass::ALL.len()]>,
    outcomes: ByKind<[AtomicU64; Outcome::ALL.len()]>,
    first_byte: ByKind<Histogram>,
    bytes_served: AtomicU64,
    answering: Arc<AtomicU64>,
    failures: AtomicU64,
    fills_in_flight: Arc<AtomicU64>,
    fills_started: AtomicU64,
    fills_completed: AtomicU64,
    fills_unstored: AtomicU64,
    fill_failures: [AtomicU64; FillFailure::ALL.len()],
}

impl Metrics {
    /// A request that was answered: `bytes` of body were sent, the first after `ttfb`.
    pub fn request(&self, kind: Kind, status: http::StatusCode, bytes: u64, ttfb: Duration) {
        self.requests[kind.place()][StatusClass::of(status).place()].fetch_add(1, Relaxed);
        self.first_byte[kind.place()].observe(ttfb);
        self.served(bytes);
    }

    /// Bytes of a body that were sent, for long bodies that are counted as they go.
    pub fn served(&self, bytes: u64) {
        self.bytes_served.fetch_add(bytes, Relaxed);
    }

    pub fn outcome(&self, kind: Kind, outcome: Outcome) {
        self.outcomes[kind.place()][outcome.place()].fetch_add(1, Relaxed);
    }

    /// Something that was asked for could not be had, through the fault of this box or of an upstream.
    pub fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Counts a request as being answered until the guard is dropped.
    pub fn answering(&self) -> Underway {
        Underway::begin(&self.answering)
    }

    /// Counts a fill as begun, and as in flight until the guard is dropped.
    pub fn filling(&self) -> Underway {
        self.fills_started.fetch_add(1, Relaxed);
        Underway::begin(&self.fills_in_flight)
    }

    /// A fill's content was verified and kept.
    pub fn fill_completed(&self) {
        self.fills_completed.fetch_add(1, Relaxed);
    }

    /// A fill's content went to its readers and was not kept: the disk would not have it.
    pub fn fill_unstored(&self) {
        self.fills_unstored.fetch_add(1, Relaxed);
    }

    pub fn fill_failed(&self, failure: FillFailure) {
        self.fill_failures[failure.place()].fetch_add(1, Relaxed);
    }

    /// The counters in sum, for people.
    pub fn totals(&self) -> Totals {
        let outcome = |outcome: Outcome| {
            let of_kind = |kind: Kind| self.outcomes[kind.place()][outcome.place()].load(Relaxed);
            of_kind(Kind::Manifest) + of_kind(Kind::Blob)
        };
        Totals {
            requests: self
                .requests
                .iter()
                .flatten()
                .map(|count| count.load(Relaxed))
                .sum(),
            hits: outcome(Outcome::Hit) + outcome(Outcome::Revalidated) + outcome(Outcome::Stale),
            misses: outcome(Outcome::Miss) + outcome(Outcome::Fill) + outcome(Outcome::Pass),
            bytes_served: self.bytes_served.load(Relaxed),
            fills_in_flight: self.fills_in_flight.load(Relaxed),
            answering: self.answering.load(Relaxed),
            failures: self.failures.load(Relaxed),
        }
    }
}

/// What the box did since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub requests: u64,
    /// Manifests and blobs that were here.
    pub hits: u64,
    /// Manifests and blobs that were not.
    pub misses: u64,
    pub bytes_served: u64,
    pub fills_in_flight: u64,
    /// Requests that are being answered.
    pub answering: u64,
    /// Requests that could not be answered as they should.
    pub failures: u64,
}

/// A fill in flight, or a request that is being answered.
#[derive(Debug)]
pub struct Underway(Arc<AtomicU64>);

impl Underway {
    fn begin(count: &Arc<AtomicU64>) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count.clone())
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// All metrics, ready to be rendered.
#[derive(Debug)]
pub struct Exposition(Registry);

impl Exposition {
    pub fn new(metrics: Arc<Metrics>, readings: Arc<dyn Readings>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(families::Counted(metrics)));
        registry.register_collector(Box::new(families::Upstreams(readings.clone())));
        registry.register_collector(Box::new(families::Read(readings.clone())));
        registry.register_collector(Box::new(families::Upkeep(readings.clone())));
        registry.register_collector(Box::new(families::Watch(readings.clone())));
        registry.register_collector(Box::new(families::Watchdog(readings)));
        registry.register_collector(Box::new(families::Process));
        Self(registry)
    }

    /// The text for a scraper, of type [`CONTENT_TYPE`].
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::with_capacity(16 << 10);
        prometheus_client::encoding::text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests;
