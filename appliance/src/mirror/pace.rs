//! The WAN's share that fetches may take together: `fetch.max_wan_rate`.
//!
//! A debt, not a bucket: what has arrived is written down, and whoever wants more waits until the debt of
//! all is paid off at the rate. TCP's own flow control does the rest.

use std::{
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How far ahead of the rate a burst may run: long enough that a chunk never waits for a timer's tick.
const BURST: Duration = Duration::from_millis(100);

/// A shared pace. Clones are the same pace.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    /// Bytes per second; zero is as fast as it goes.
    rate: AtomicU64,
    /// When all that has arrived will have been paid off.
    paid: Mutex<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(Limit {
            rate: AtomicU64::new(0),
            paid: Mutex::new(Instant::now()),
        }))
    }
}

impl Pace {
    /// At most `rate` bytes per second from now on, also for what is under way; `None` is as fast as it
    /// goes.
    pub fn limit(&self, rate: Option<NonZeroU64>) {
        self.0.rate.store(rate.map_or(0, NonZeroU64::get), Relaxed);
        *self.0.paid.lock() = Instant::now();
    }

    /// Writes down what has arrived.
    pub(super) fn arrived(&self, bytes: usize) {
        if let Some(rate) = NonZeroU64::new(self.0.rate.load(Relaxed)) {
            let cost = Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate);
            let mut paid = self.0.paid.lock();
            *paid = (*paid).max(Instant::now()) + cost;
        }
    }

    /// When more may be read. `None`: now.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.0.rate.load(Relaxed) == 0 {
            return None;
        }
        let paid = *self.0.paid.lock();
        (paid > Instant::now() + BURST).then(|| paid - BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_rate_and_no_less() {
        let pace = Pace::default();
        pace.limit(NonZeroU64::new(1_000_000));
        let began = Instant::now();
        for _ in 0..100 {
            if let Some(due) = pace.due() {
                tokio::time::sleep_until(due).await;
            }
            pace.arrived(100_000);
        }
        let took = began.elapsed().as_secs_f64();
        assert!((9.5..=10.1).contains(&took), "10 MB at 1 MB/s took {took} s");
        pace.limit(None);
        assert_eq!(pace.due(), None, "a debt at a rate that holds no more");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let pace = Pace::default();
        pace.arrived(usize::MAX);
        assert_eq!(pace.due(), None);
    }
}
