//! A rate in bytes a second, shared by whoever holds it.
//!
//! Promises: never faster than the rate over any stretch longer than a few chunks, and not slower while
//! there is something to send: the next chunk's time is reckoned from the last one's, so a late timer is
//! caught up (within [`CATCH_UP`]).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A sender that was idle longer than this is not given its idle time back as a burst.
const CATCH_UP: Duration = Duration::from_millis(10);

pub(super) struct Pace {
    rate: Option<u64>,
    next: Mutex<Instant>,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>) -> Self {
        Self {
            rate,
            next: Mutex::new(Instant::now()),
        }
    }

    /// How much to send at once: small enough that the rate looks even, large enough to cost little.
    pub(super) fn chunk(&self) -> usize {
        const MOST: u64 = 64 * 1024;
        let chunk = self.rate.map_or(MOST, |rate| (rate / 200).clamp(1, MOST));
        usize::try_from(chunk).expect("at most 64 KiB")
    }

    /// Waits until `bytes` more may be sent.
    pub(super) async fn wait(&self, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = (*next).max(now.checked_sub(CATCH_UP).unwrap_or(now));
            *next = turn + cost;
            *next
        };
        sleep_until(turn).await;
    }
}
