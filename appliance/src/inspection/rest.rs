//! No pass of a kind for a while: the last one failed.

use std::time::Duration;

use tokio::time::Instant;

use super::record::What;
use crate::backoff::Backoff;

/// The waits of one kind of pass.
pub(super) struct Rest {
    until: Option<Instant>,
    backoff: Backoff,
}

impl Rest {
    pub(super) const fn of(what: What) -> Self {
        let (first, longest) = match what {
            // Without it nothing that was lost is found.
            What::Recovery => (Duration::from_secs(5), Duration::from_secs(15 * 60)),
            What::Scan | What::Scrub => (Duration::from_secs(30), Duration::from_secs(6 * 3600)),
        };
        Self {
            until: None,
            backoff: Backoff::new(first, longest),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() < until)
    }

    /// A pass failed. It is not worth trying before `retry_at`, if that is known.
    pub(super) fn begin(&mut self, rng: &mut fastrand::Rng, retry_at: Option<Instant>) {
        let until = Instant::now() + self.backoff.next(rng);
        self.until = Some(retry_at.map_or(until, |at| at.max(until)));
    }

    /// A pass was done.
    pub(super) const fn end(&mut self) {
        self.until = None;
        self.backoff.reset();
    }
}
