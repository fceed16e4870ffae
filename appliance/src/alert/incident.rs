//! One incident and the states it goes through.
//!
//! Promises: a sample that is missing or was dropped changes nothing, and the time without samples counts neither for
//! the beginning nor for the end. Must not know: other incidents, who is told.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    rule::{Direction, RuleName, Terms},
};

/// What an incident is about: a rule, and of which thing it speaks. At most one incident per subject at a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    pub rule: RuleName,
    /// A disk, an interface, an upstream; empty where there is one only.
    pub of: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if !self.of.is_empty() {
            write!(f, "({})", self.of)?;
        }
        Ok(())
    }
}

/// Numbers incidents over the whole life of a box, and names their threads at receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

/// What a rule says now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    Bad(f64),
    /// Neither bad enough to begin nor good enough to end.
    Between(f64),
    Fine(f64),
    /// There is no sample that can be believed.
    Unknown,
    /// The same, while others of its kind are measured: it may have been taken away.
    Missing,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "phase")]
pub enum Phase {
    /// Bad, but not for long enough.
    Pending {
        since: Timestamp,
    },
    Firing {
        since: Timestamp,
    },
    /// Fine, but not for long enough.
    Recovering {
        /// When it began to fire.
        fired: Timestamp,
        since: Timestamp,
    },
}

impl Phase {
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Firing { .. } => "firing",
            Self::Recovering { .. } => "recovering",
        }
    }
}

/// A thing of which nothing was known for so long, while the box was looking, is gone: a disk that was pulled, a link
/// that was taken out.
const GONE: Duration = Duration::from_secs(24 * 3600);

const HOUR: u64 = 3600;

/// Why an incident is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// It was fine for long enough.
    #[default]
    Fine,
    /// What it was about was not found for a day.
    Gone,
    /// Its rule, or what it was about, is not in the configuration any more.
    Unwatched,
}

impl Ending {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Gone => "gone",
            Self::Unwatched => "unwatched",
        }
    }
}

/// What a sample has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing that would have to be written down.
    Stays,
    /// Another phase.
    Moves,
    /// It was not bad for long enough.
    Forgotten,
    /// It has begun to fire: for the first time, or anew before it was over.
    Fires,
    Ends,
}

/// An incident, from the first bad sample on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub id: IncidentId,
    pub subject: Subject,
    pub terms: Terms,
    #[serde(flatten)]
    pub phase: Phase,
    /// The last sample that could be believed, and when it was.
    pub value: f64,
    pub seen: Timestamp,
    /// The worst of those that were bad.
    pub worst: f64,
    /// When its beginning was told.
    pub told: Option<Timestamp>,
    /// Reminders that were sent.
    pub reminders: u32,
    /// Somebody takes care: no reminders.
    pub acknowledged: Option<String>,
    /// It is not told before this: what may explain it takes its time.
    pub hold: Timestamp,
    /// Why it is over, once it is.
    #[serde(default)]
    pub ending: Ending,
    /// For how long nothing has been known, as far as the box was looking.
    #[serde(default)]
    pub(super) missed: Duration,
    /// When it was looked at last.
    #[serde(skip)]
    pub(super) looked: Option<Timestamp>,
}

impl Incident {
    pub(super) fn new(id: IncidentId, subject: Subject, terms: Terms, value: f64, now: Timestamp) -> Self {
        Self {
            id,
            subject,
            terms,
            phase: Phase::Pending { since: now },
            value,
            seen: now,
            worst: value,
            told: None,
            reminders: 0,
            acknowledged: None,
            hold: Timestamp(0),
            ending: Ending::Fine,
            missed: Duration::ZERO,
            looked: None,
        }
    }

    /// When it began to fire; nothing while it is pending.
    pub fn fired(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Pending { .. } => None,
            Phase::Firing { since } => Some(since),
            Phase::Recovering { fired, .. } => Some(fired),
        }
    }

    /// Takes the next sample. `keep` is how long it has to be fine.
    pub(super) fn take(&mut self, signal: Signal, keep: Duration, now: Timestamp) -> Step {
        let before = self.looked.replace(now);
        let (Signal::Bad(value) | Signal::Between(value) | Signal::Fine(value)) = signal else {
            return match signal {
                Signal::Missing => self.miss(before, now),
                _ => Step::Stays,
            };
        };
        self.missed = Duration::ZERO;
        let gap = self.gap(now);
        self.value = value;
        self.seen = now;
        if matches!(signal, Signal::Bad(_)) {
            self.note_worst(value);
        }
        match (self.phase, signal) {
            (Phase::Pending { since }, Signal::Bad(_)) => {
                let since = later(since, gap);
                self.phase = Phase::Pending { since };
                if lasted(since, now) < self.terms.pending {
                    return Step::Stays;
                }
                self.phase = Phase::Firing { since: now };
                Step::Fires
            }
            (Phase::Pending { .. }, _) => Step::Forgotten,
            (Phase::Firing { since }, Signal::Fine(_)) => {
                if keep.is_zero() {
                    return Step::Ends;
                }
                self.phase = Phase::Recovering {
                    fired: since,
                    since: now,
                };
                Step::Moves
            }
            (Phase::Firing { .. }, _) => Step::Stays,
            (Phase::Recovering { fired, .. }, Signal::Bad(_)) => {
                self.phase = Phase::Firing { since: fired };
                Step::Fires
            }
            (Phase::Recovering { fired, .. }, Signal::Between(_)) => {
                // It began to be fine, and is not any more.
                self.phase = Phase::Recovering { fired, since: now };
                Step::Stays
            }
            (Phase::Recovering { fired, since }, _) => {
                let since = later(since, gap);
                self.phase = Phase::Recovering { fired, since };
                if lasted(since, now) < keep {
                    Step::Stays
                } else {
                    Step::Ends
                }
            }
        }
    }

    /// There is no sample. Time in which nobody looked, or which the clock made up, does not count.
    fn miss(&mut self, before: Option<Timestamp>, now: Timestamp) -> Step {
        let since = before.map_or(Duration::ZERO, |before| lasted(before, now));
        let hours = self.missed.as_secs() / HOUR;
        self.missed += since.min(self.terms.lapse);
        if self.missed < GONE {
            // A box that is switched off each night counts on.
            return if self.missed.as_secs() / HOUR > hours {
                Step::Moves
            } else {
                Step::Stays
            };
        }
        self.ending = Ending::Gone;
        match self.phase {
            Phase::Pending { .. } => Step::Forgotten,
            Phase::Firing { .. } | Phase::Recovering { .. } => Step::Ends,
        }
    }

    /// How long nothing was known before this sample, as far as that is too long.
    fn gap(&self, now: Timestamp) -> Duration {
        let since = lasted(self.seen, now);
        if since > self.terms.lapse {
            since
        } else {
            Duration::ZERO
        }
    }

    fn note_worst(&mut self, value: f64) {
        self.worst = match self.terms.worse {
            Direction::Up => self.worst.max(value),
            Direction::Down => self.worst.min(value),
        };
    }
}

/// How long it is since; nothing, when that lies in the future.
pub(super) fn lasted(since: Timestamp, now: Timestamp) -> Duration {
    since.age(now).unwrap_or_default()
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(by.as_secs()))
}
