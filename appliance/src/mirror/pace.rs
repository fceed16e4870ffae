//! The WAN's share that fetches may take together: `fetch.max_wan_rate`.
//!
//! A debt, not a bucket: what has arrived is written down, and whoever wants more waits until the debt of
//! all is paid off at the rate. TCP's own flow control does the rest.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How far ahead of the rate a burst may run: long enough that a chunk never waits for a timer's tick.
const BURST: Duration = Duration::from_millis(100);

/// A shared pace. Clones are the same pace.
#[derive(Clone, Debug, Default)]
pub struct Pace(Option<Arc<Limit>>);

#[derive(Debug)]
struct Limit {
    /// Bytes per second, not zero.
    rate: u64,
    /// When all that has arrived will have been paid off.
    paid: Mutex<Instant>,
}

impl Pace {
    /// At most `rate` bytes per second; zero stands for one.
    pub fn at(rate: u64) -> Self {
        Self(Some(Arc::new(Limit {
            rate: rate.max(1),
            paid: Mutex::new(Instant::now()),
        })))
    }

    /// Writes down what has arrived.
    pub(super) fn arrived(&self, bytes: usize) {
        if let Some(limit) = &self.0 {
            let cost = Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / limit.rate);
            let mut paid = limit.paid.lock();
            *paid = (*paid).max(Instant::now()) + cost;
        }
    }

    /// When more may be read. `None`: now.
    pub(super) fn due(&self) -> Option<Instant> {
        let limit = self.0.as_ref()?;
        let paid = *limit.paid.lock();
        (paid > Instant::now() + BURST).then(|| paid - BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_rate_and_no_less() {
        let pace = Pace::at(1_000_000);
        let began = Instant::now();
        for _ in 0..100 {
            if let Some(due) = pace.due() {
                tokio::time::sleep_until(due).await;
            }
            pace.arrived(100_000);
        }
        let took = began.elapsed().as_secs_f64();
        assert!((9.5..=10.1).contains(&took), "10 MB at 1 MB/s took {took} s");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let pace = Pace::default();
        pace.arrived(usize::MAX);
        assert_eq!(pace.due(), None);
    }
}
