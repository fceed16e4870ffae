//! Time, passed in.
//!
//! Boxes have no battery: wall time may start in 1970 and jump by decades when the network comes up.
//! [`Clock::now`] is therefore a *steady* time line: it starts at the wall clock, or at the latest time that
//! was persisted if that is later, and then follows the monotonic clock. It never goes back and never jumps
//! within a process. Deadlines use `tokio::time::Instant`, which tests can pause.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// Seconds since 1970 on the steady time line. Ordered, storable, never in the far past by accident.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// How long ago `self` was at `now`; `None` when it lies in the future, which after a restart with a
    /// wrong clock means that its age is not known.
    pub fn age(self, now: Timestamp) -> Option<Duration> {
        now.0.checked_sub(self.0).map(Duration::from_secs)
    }
}

/// The steady clock. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    started: Instant,
    base: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that starts at the system's wall time.
    pub fn system() -> Self {
        Self::starting_at(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// A clock that starts at a given time since 1970.
    pub fn starting_at(wall: Duration) -> Self {
        Self {
            started: Instant::now(),
            base: Arc::new(AtomicU64::new(wall.as_secs())),
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp(self.base.load(Relaxed) + self.started.elapsed().as_secs())
    }

    /// Moves the line forward if `seen`, a time that was persisted by an earlier process, lies ahead of it.
    pub fn not_before(&self, seen: Timestamp) {
        let ahead = seen.0.saturating_sub(self.started.elapsed().as_secs());
        self.base.fetch_max(ahead, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_box_that_woke_up_in_1970_goes_on_from_what_it_had_seen() {
        let clock = Clock::starting_at(Duration::from_secs(12));
        let seen = Timestamp(1_800_000_000);
        assert_eq!(seen.age(clock.now()), None);
        clock.not_before(seen);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(seen.age(clock.now()), Some(Duration::from_secs(60)));
        clock.not_before(Timestamp(5));
        assert_eq!(clock.now(), Timestamp(1_800_000_060), "never back");
    }
}
