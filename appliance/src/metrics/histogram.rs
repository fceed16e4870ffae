//! A histogram of durations that many threads add to without waiting.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds in microseconds: from a hit in memory to the end of a client's patience.
const BOUNDS: [u64; 13] = [
    250, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    8_000_000,
];

/// Counts by bucket, and the sum.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// A histogram at one moment.
pub(super) struct Snapshot {
    pub(super) sum_seconds: f64,
    pub(super) count: u64,
    /// Upper bound in seconds and how many lie in this bucket alone.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[place].fetch_add(1, Relaxed);
        self.sum_micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let bounds = BOUNDS
            .iter()
            .map(|bound| *bound as f64 / 1e6)
            .chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds
            .zip(self.buckets.iter().map(|bucket| bucket.load(Relaxed)))
            .collect();
        Snapshot {
            sum_seconds: self.sum_micros.load(Relaxed) as f64 / 1e6,
            // Of the buckets just read, so that the parts add up to the whole.
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}
