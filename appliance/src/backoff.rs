//! Waiting longer after each failure.
//!
//! Promises: each wait is about twice the one before, at most the cap, and random by a fifth either way so
//! that boxes which failed together do not come back together. Must not know: what is waited for, nor the
//! time; randomness is passed in.

use std::time::Duration;

/// A growing series of waits.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// A series that begins at about `base` and never exceeds `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self {
            base,
            cap,
            failures: 0,
        }
    }

    /// The next wait.
    pub fn next(&mut self, rng: &mut fastrand::Rng) -> Duration {
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        let wait = self.base.saturating_mul(factor).min(self.cap);
        wait.mul_f64(0.8 + 0.4 * rng.f64()).min(self.cap)
    }

    /// Begins anew: it worked.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_cap_and_begin_anew_after_a_success() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (base, cap) = (Duration::from_secs(5), Duration::from_secs(60));
        let mut backoff = Backoff::new(base, cap);
        for ideal in [5.0, 10.0, 20.0, 40.0, 60.0, 60.0] {
            let wait = backoff.next(&mut rng).as_secs_f64();
            assert!((ideal * 0.8..=ideal * 1.2).contains(&wait), "{wait} for {ideal}");
            assert!(wait <= 60.0);
        }
        for _ in 0..100 {
            assert!(backoff.next(&mut rng) <= cap, "no overflow");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= base.mul_f64(1.2));
    }

    #[test]
    fn two_boxes_do_not_wait_alike() {
        let wait = |seed| {
            Backoff::new(Duration::from_secs(5), Duration::from_secs(60))
                .next(&mut fastrand::Rng::with_seed(seed))
        };
        assert_ne!(wait(1), wait(2));
    }
}
