//! Whether to try a worker.
//!
//! Promises: after so many failures in a row with no progress between them nothing is tried for a while that
//! grows; then one failure is enough, until there is progress. Must not know: what a worker is.

use tokio::time::Instant;

use crate::{backoff::Backoff, janitor::error::Failure};

#[derive(Debug)]
pub(super) struct Circuit {
    /// Failures in a row that open it.
    trip: u32,
    failures: u32,
    rests: Backoff,
    rng: fastrand::Rng,
    rest: Option<Rest>,
}

/// Nothing is tried.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) until: Instant,
    pub(super) why: Failure,
}

/// What a failure comes to.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    TryAgain,
    Open(Rest),
}

impl Circuit {
    pub(super) const fn new(trip: u32, rests: Backoff, rng: fastrand::Rng) -> Self {
        Self {
            trip,
            failures: 0,
            rests,
            rng,
            rest: None,
        }
    }

    /// Why nothing is to be tried now.
    pub(super) fn rest(&self, now: Instant) -> Option<&Rest> {
        self.rest.as_ref().filter(|rest| now < rest.until)
    }

    pub(super) fn failed(&mut self, now: Instant, why: Failure) -> Verdict {
        self.failures += 1;
        // It has been open: this was the one try.
        if self.failures < self.trip && self.rest.is_none() {
            return Verdict::TryAgain;
        }
        let rest = Rest {
            until: now + self.rests.next(&mut self.rng),
            why,
        };
        self.rest = Some(rest.clone());
        Verdict::Open(rest)
    }

    pub(super) fn progressed(&mut self) {
        self.failures = 0;
        self.rests.reset();
        self.rest = None;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_tries_once_and_closes() {
        let second = Duration::from_secs(1);
        let rests = Backoff::new(second, 60 * second);
        let mut circuit = Circuit::new(3, rests, fastrand::Rng::with_seed(1));
        let why = || Failure::Abandoned { count: 1 };
        let fail = |circuit: &mut Circuit| match circuit.failed(Instant::now(), why()) {
            Verdict::TryAgain => None,
            Verdict::Open(rest) => Some(rest.until - Instant::now()),
        };
        assert_eq!((fail(&mut circuit), fail(&mut circuit)), (None, None));
        circuit.progressed();
        assert_eq!((fail(&mut circuit), fail(&mut circuit)), (None, None));
        let first = fail(&mut circuit).expect("open");
        assert!(circuit.rest(Instant::now()).is_some());
        tokio::time::advance(first).await;
        assert!(circuit.rest(Instant::now()).is_none(), "one try");
        let second = fail(&mut circuit).expect("one failure is enough");
        assert!(second > first, "{second:?} after {first:?}");
        tokio::time::advance(second).await;
        circuit.progressed();
        assert_eq!(fail(&mut circuit), None, "it is closed again");
    }
}
