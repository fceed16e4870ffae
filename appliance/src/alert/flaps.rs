//! What comes and goes: when each subject began to fire, within the last hours.
//!
//! Promises: what has not fired for [`WINDOW`] is forgotten. Must not know: what is told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Subject, incident::lasted};
use crate::{clock::Timestamp, rule::Terms};

/// How often it fires in this time says whether it flaps.
const WINDOW: Duration = Duration::from_secs(6 * 3600);
/// So many times, and it flaps.
const FLAPS: usize = 3;
/// The longest that something has to be fine because it flaps.
const MOST_KEEP: Duration = Duration::from_secs(3600);

/// When each subject began to fire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Flaps(Vec<(Subject, Vec<Timestamp>)>);

impl Flaps {
    /// It begins to fire.
    pub(super) fn note(&mut self, subject: &Subject, now: Timestamp) {
        let is_recent = |time: &Timestamp| lasted(*time, now) < WINDOW;
        self.0.retain(|(_, times)| times.last().is_some_and(is_recent));
        match self.0.iter_mut().find(|(known, _)| known == subject) {
            Some((_, times)) => {
                times.retain(is_recent);
                times.push(now);
            }
            None => self.0.push((subject.clone(), vec![now])),
        }
    }

    fn times(&self, subject: &Subject, now: Timestamp) -> usize {
        let known = self.0.iter().find(|(known, _)| known == subject);
        known.map_or(0, |(_, times)| {
            let recent = |time: &&Timestamp| lasted(**time, now) < WINDOW;
            times.iter().filter(recent).count()
        })
    }

    pub(super) fn is_flapping(&self, subject: &Subject, now: Timestamp) -> bool {
        self.times(subject, now) >= FLAPS
    }

    /// How long a subject has to be fine: longer each time that it has begun to fire anew.
    pub(super) fn keep(&self, subject: &Subject, terms: Terms, now: Timestamp) -> Duration {
        let times = self.times(subject, now).saturating_sub(1).min(16) as u32;
        let keep = terms.keep.saturating_mul(1 << times);
        keep.min(MOST_KEEP.max(terms.keep))
    }
}
