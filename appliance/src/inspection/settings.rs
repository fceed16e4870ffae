//! What inspections work by.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{cache::Ages, clock::Clock, heartbeat::Beat, janitor::Pace, pause::Pause};

/// A scrub is to be done in this time, in days.
const WEEK: f64 = 7.0;
/// Slower is not worth it: a small cache is read in less than a week.
const LEAST_RATE: u64 = 1 << 20;

/// What inspections work by.
#[derive(Clone)]
pub struct Settings {
    pub clock: Clock,
    pub ages: Ages,
    /// Whether it is the time for what can wait, and for how long that is each day.
    pub window: Arc<dyn Fn() -> bool + Send + Sync>,
    pub daily: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// The most bytes that a scrub reads in a second.
    pub most_rate: u64,
    pub scan_pace: Pace,
    pub scrub_pace: Pace,
    /// Of what is to be listed again: as fast as it goes, for until then it is fetched again.
    pub verify_pace: Pace,
    /// Called when content has gone.
    pub gone: Arc<dyn Fn() + Send + Sync>,
    /// What outlives the process is kept here, and written as often as this at most. Flash wears.
    pub memory: PathBuf,
    pub save_every: Duration,
    pub rng: fastrand::Rng,
    /// Told with each step of a walk.
    pub beat: Beat,
    /// Nothing is inspected while it is on, unless somebody asks.
    pub pause: Pause,
}

impl Settings {
    /// At any time, at a pace that leaves the disk to others half of the time.
    pub fn new(clock: Clock, memory: PathBuf) -> Self {
        Self {
            clock,
            ages: Ages {
                orphan: Duration::from_secs(3600),
                partial: Duration::from_secs(7 * 24 * 3600),
            },
            window: Arc::new(|| true),
            daily: Arc::new(|| Duration::from_secs(24 * 3600)),
            most_rate: 20 << 20,
            scan_pace: Pace {
                files: Pace::MOST_FILES,
                ..Pace::GENTLE
            },
            scrub_pace: Pace {
                time: Duration::from_millis(500),
                rest: Duration::ZERO,
                ..Pace::GENTLE
            },
            verify_pace: Pace {
                files: 256,
                time: Duration::from_millis(500),
                rest: Duration::ZERO,
            },
            gone: Arc::new(|| {}),
            memory,
            save_every: Duration::from_secs(60),
            rng: fastrand::Rng::new(),
            beat: Beat::default(),
            pause: Pause::default(),
        }
    }
}

/// So fast that all is read in about a week.
pub(super) fn rate(bytes: u64, daily: Duration, most: u64) -> u64 {
    let seconds = daily.as_secs_f64().max(1.0) * WEEK;
    // A quarter more, for what gets in the way.
    let rate = bytes as f64 * 1.25 / seconds;
    (rate as u64).max(LEAST_RATE).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_in_a_week_and_never_too_fast() {
        let (night, day) = (Duration::from_secs(3 * 3600), Duration::from_secs(24 * 3600));
        for (bytes, daily) in [(1_u64 << 40, night), (1 << 40, day), (4 << 40, day)] {
            let rate = rate(bytes, daily, 20 << 20);
            assert!(rate <= 20 << 20, "{rate}");
            let days = bytes as f64 / (rate as f64 * daily.as_secs_f64());
            assert!((5.0..7.0).contains(&days), "{days} days");
        }
        assert_eq!(rate(1 << 44, night, 20 << 20), 20 << 20);
        assert_eq!(rate(1 << 30, day, 20 << 20), LEAST_RATE);
    }
}
