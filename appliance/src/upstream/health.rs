//! The breaker: whether an endpoint is worth asking, from how earlier calls ended.
//!
//! ```text
//!            strain reaches TRIP, or Overloaded
//!   Closed ────────────────────────────────────▶ Open(until)
//!     ▲  any answer: strain = 0                    │  ▲
//!     │                                      rest  │  │  the probe fails:
//!     │                                      over  │  │  a rest twice as long
//!     │      the probe is answered                 ▼  │
//!     └──────────────────────────────────────── HalfOpen
//!                                                one probe at a time; a probe that is
//!                                                dropped unfinished lets the next one go
//! ```
//!
//! A failure adds to the strain by what it costs to find out again: silence trips at once, the second
//! unreachable in a row does, the third bad answer in a row does. A body that stands still while others are answered is a bad
//! answer.
//!
//! Promises: pure, the time and the randomness are passed in or owned; only the probe's end moves a breaker
//! out of `HalfOpen`, and a call that was let in before the breaker opened moves nothing when it ends after.
//! Must not know: what a call is.

use std::time::Duration;

use tokio::time::Instant;

use crate::{backoff::Backoff, source::Health};

/// Failures that lie further apart than this are not of one outage.
const GAP: Duration = Duration::from_secs(3600);

/// The strain at which the breaker opens.
const TRIP: u8 = 6;

/// How a call ended, as far as it tells whether the next one is worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It answered, be it with "no".
    Answered,
    /// Refused, reset, no such name.
    Unreachable,
    /// It answered badly.
    Broken,
    /// It said that it is overloaded, and for how long.
    Overloaded(Duration),
    /// It took the whole deadline.
    Silent,
}

impl Outcome {
    const fn strain(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::Broken => TRIP / 3,
            Self::Unreachable => TRIP / 2,
            Self::Silent | Self::Overloaded(_) => TRIP,
        }
    }
}

/// An outage, as far as calls have shown it: one failure after the other and no answer between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// How long ago the first of them was, and the last.
    pub first: Duration,
    pub last: Duration,
}

/// Leave to make one call. It ends with [`Breaker::end`] or [`Breaker::abandon`].
///
/// While the breaker is half open, the only leave of the current era is the probe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leave {
    /// How often the breaker had opened when it was given.
    era: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { strain: u8 },
    Open { until: Instant },
    HalfOpen(Probe),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    Wanted,
    Out,
}

/// The state machine of one endpoint.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    rests: Backoff,
    rng: fastrand::Rng,
    era: u64,
    answered: Option<Instant>,
    /// The first and the last failure since.
    failing: Option<(Instant, Instant)>,
}

impl Breaker {
    pub(super) const fn new(rests: Backoff, rng: fastrand::Rng) -> Self {
        Self {
            state: State::Closed { strain: 0 },
            rests,
            rng,
            era: 0,
            answered: None,
            failing: None,
        }
    }

    /// Lets a call through, or says how long to wait before it is worth asking again.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Leave, Duration> {
        self.wake(now);
        match self.state {
            State::Closed { .. } => {}
            State::HalfOpen(Probe::Wanted) => self.state = State::HalfOpen(Probe::Out),
            // The probe is back soon: a call's deadline is a few seconds.
            State::HalfOpen(Probe::Out) => return Err(Duration::from_secs(1)),
            State::Open { until } => return Err(until - now),
        }
        Ok(Leave { era: self.era })
    }

    /// A call came to its end.
    pub(super) fn end(&mut self, leave: Leave, outcome: Outcome, now: Instant) {
        if outcome == Outcome::Answered {
            self.answered = Some(now);
            self.failing = None;
        } else {
            let known = self
                .failing
                .filter(|(_, last)| now.saturating_duration_since(*last) < GAP);
            self.failing = Some((known.map_or(now, |(first, _)| first), now));
        }
        if leave.era != self.era {
            return;
        }
        match (self.state, outcome) {
            (_, Outcome::Answered) => {
                self.rests.reset();
                self.state = State::Closed { strain: 0 };
            }
            (State::Closed { strain }, _) => {
                let strain = strain.saturating_add(outcome.strain());
                if strain >= TRIP {
                    self.open(outcome, now);
                } else {
                    self.state = State::Closed { strain };
                }
            }
            (State::HalfOpen(_) | State::Open { .. }, _) => self.open(outcome, now),
        }
    }

    /// A call was dropped before its end: nothing is learnt, and if it was the probe, another may go.
    pub(super) fn abandon(&mut self, leave: Leave) {
        if leave.era == self.era && self.state == State::HalfOpen(Probe::Out) {
            self.state = State::HalfOpen(Probe::Wanted);
        }
    }

    pub(super) fn health(&self, now: Instant) -> Health {
        match self.state {
            State::Closed { .. } => Health::Closed {
                answered: self.answered(now),
            },
            State::Open { until } if until > now => Health::Open {
                retry_in: until - now,
            },
            State::Open { .. } | State::HalfOpen(_) => Health::HalfOpen,
        }
    }

    /// How long ago it last answered.
    pub(super) fn answered(&self, now: Instant) -> Option<Duration> {
        self.answered.map(|at| now.saturating_duration_since(at))
    }

    /// Whether and since when it fails.
    pub(super) fn failing(&self, now: Instant) -> Option<Failing> {
        self.failing.map(|(first, last)| Failing {
            first: now.saturating_duration_since(first),
            last: now.saturating_duration_since(last),
        })
    }

    fn wake(&mut self, now: Instant) {
        if let State::Open { until } = self.state
            && until <= now
        {
            self.state = State::HalfOpen(Probe::Wanted);
        }
    }

    fn open(&mut self, outcome: Outcome, now: Instant) {
        let rest = match outcome {
            Outcome::Overloaded(rest) => rest,
            _ => self.rests.next(&mut self.rng),
        };
        // Whatever was let in before now ends in an earlier era.
        self.era += 1;
        self.state = State::Open { until: now + rest };
    }
}

#[cfg(test)]
#[path = "tests/health.rs"]
mod tests;
