//! How long the worker has said nothing, and whether that is its fault.
//!
//! A worker that was given no CPU, or whose disk answers slowly because others use it, is slow and not hung: killing
//! it would help nobody, least of all on a box that is busy. So it is looked at when half of its time is over, and
//! again at the end. Promises: one that cannot move is found at its deadline, and every other after
//! [`MOST_SPARED`] more; where nothing is known of it, the deadline holds. Must not know: what it should say.

use std::time::Duration;

use tokio::time::Instant;

use crate::janitor::vitals::{Condition, Vitals};

/// How many deadlines more a worker gets that is starved, in a row.
pub(super) const MOST_SPARED: u32 = 5;

#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// How long it may last.
    deadline: Duration,
    ends: Instant,
    /// When the worker is to be looked at.
    look: Instant,
    seen: Option<(Instant, Vitals)>,
    spared: u32,
}

/// What a look at a silent worker comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Its time is not over.
    Early,
    /// Its time is over, and it gets more.
    Starved,
    Hung,
}

impl Silence {
    pub(super) fn from(now: Instant, deadline: Duration) -> Self {
        Self {
            deadline,
            ends: now + deadline,
            look: now + deadline / 2,
            seen: None,
            spared: 0,
        }
    }

    /// That of a worker that is known to hang: it gets no more time.
    pub(super) fn of_hung(now: Instant, deadline: Duration) -> Self {
        Self {
            look: now + deadline,
            spared: MOST_SPARED,
            ..Self::from(now, deadline)
        }
    }

    /// When to look at the worker.
    pub(super) const fn look_at(&self) -> Instant {
        self.look
    }

    /// To be called at that time.
    pub(super) fn look(&mut self, now: Instant, vitals: Option<Vitals>) -> Verdict {
        let before = self.seen;
        self.seen = vitals.map(|vitals| (now, vitals));
        let is_starved = match (before, vitals) {
            (Some((then, before)), Some(after)) => is_starved(before, after, now - then),
            // Whoever is to look came too late for the first time: the box is busy.
            (None, Some(_)) if self.spared < MOST_SPARED => {
                self.look = self.ends.max(now + self.deadline / 2);
                return Verdict::Early;
            }
            _ => false,
        };
        if now < self.ends {
            self.look = self.ends;
            return Verdict::Early;
        }
        if !is_starved || self.spared >= MOST_SPARED {
            return Verdict::Hung;
        }
        self.spared += 1;
        self.ends = now + self.deadline;
        self.look = self.ends;
        Verdict::Starved
    }
}

/// Whether a process has not been given what it needs, or moves although slowly.
fn is_starved(before: Vitals, after: Vitals, between: Duration) -> bool {
    let ran = after.ran.saturating_sub(before.ran);
    match after.condition {
        Condition::Stopped => false,
        // One that had the CPU for most of the time and still says nothing goes round in circles.
        Condition::Runnable => ran < between / 2,
        // Each call that the disk has answered leaves a trace of time on the CPU.
        Condition::Waiting => ran > Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn vitals(ran: u64, condition: Condition) -> Vitals {
        Vitals {
            ran: Duration::from_millis(ran),
            condition,
        }
    }

    #[test]
    fn who_can_move_and_does_not_hangs() {
        use Condition::{Runnable, Stopped, Waiting};
        let between = Duration::from_secs(5);
        for (before, ran, after, starved) in [
            // It waits for the CPU all the time, gets a little, gets it all.
            (Runnable, 0, Runnable, true),
            (Runnable, 400, Runnable, true),
            (Runnable, 4900, Runnable, false),
            // A call came back and it waits for the CPU now.
            (Waiting, 0, Runnable, true),
            // The disk answers slowly; it does not answer.
            (Waiting, 1, Waiting, true),
            (Runnable, 1, Waiting, true),
            (Waiting, 0, Waiting, false),
            (Stopped, 0, Stopped, false),
            (Runnable, 400, Stopped, false),
            // It was stopped and goes on.
            (Stopped, 0, Runnable, true),
        ] {
            let (before, after) = (vitals(7000, before), vitals(7000 + ran, after));
            assert_eq!(
                is_starved(before, after, between),
                starved,
                "{before:?} {after:?}"
            );
        }
    }

    /// Looks whenever it is to be looked, until the worker is taken to hang: when that was, and how often it was
    /// spared.
    fn hangs(
        mut silence: Silence,
        start: Instant,
        vitals: impl Fn(u32) -> Option<Vitals>,
    ) -> (Duration, u32) {
        let mut spared = 0;
        for look in 0..100 {
            let now = silence.look_at();
            match silence.look(now, vitals(look)) {
                Verdict::Early => {}
                Verdict::Starved => spared += 1,
                Verdict::Hung => return (now - start, spared),
            }
        }
        panic!("spared for ever: {silence:?}");
    }

    #[test]
    fn every_silence_ends() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let silence = Silence::from(now, second);
        let starved = |_| Some(vitals(0, Condition::Runnable));
        let slow = |look: u32| Some(vitals(u64::from(look), Condition::Waiting));
        let most = (second * (1 + MOST_SPARED), MOST_SPARED);
        assert_eq!(hangs(silence, now, starved), most);
        assert_eq!(hangs(silence, now, slow), most);
        assert_eq!(hangs(silence, now, |_| None), (second, 0));
        assert_eq!(
            hangs(silence, now, |_| Some(vitals(0, Condition::Waiting))),
            (second, 0)
        );
        // Starved at first, then stopped.
        let stopped = |look| {
            Some(vitals(
                0,
                if look < 3 {
                    Condition::Runnable
                } else {
                    Condition::Stopped
                },
            ))
        };
        assert_eq!(hangs(silence, now, stopped), (3 * second, 2));
        assert_eq!(hangs(Silence::of_hung(now, second), now, starved), (second, 0));
    }

    #[test]
    fn whoever_looks_too_late_looks_again() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut silence = Silence::from(now, second);
        let asleep = Some(vitals(0, Condition::Waiting));
        assert_eq!(silence.look(now + 7 * second, asleep), Verdict::Early);
        assert_eq!(silence.look_at(), now + 7 * second + second / 2);
        assert_eq!(silence.look(silence.look_at(), asleep), Verdict::Hung);
        let mut unknown = Silence::from(now, second);
        assert_eq!(unknown.look(now + 7 * second, None), Verdict::Hung);
    }
}
