//! The resets that there were, and what follows from them.
//!
//! Promises: a reset is counted once, also when the end of the process became one of the machine; times that cannot be
//! believed count as recent, so that a clock that goes wrong makes the box careful and not reckless. Must not know:
//! where it is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Footing, Silence};
use crate::clock::Timestamp;

/// After so many resets within so long a time, the box only serves.
pub(super) const MOST: usize = 3;
const WITHIN: Duration = Duration::from_secs(6 * 3600);

/// So many are remembered.
const KEPT: usize = 8;

/// A machine that is reset so soon after the process was to end is reset for the same reason.
const SAME: Duration = Duration::from_secs(600);

/// What was started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Process,
    Machine,
}

/// A reset by a watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    pub what: What,
    pub at: Timestamp,
    /// Who made no progress, and for how long; nobody, if nobody knew.
    pub late: Vec<Late>,
}

/// A part that made no progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Late {
    pub part: String,
    pub seconds: u64,
}

impl From<Silence> for Late {
    fn from(silence: Silence) -> Self {
        Self {
            part: silence.part.name().to_owned(),
            seconds: silence.lasts.as_secs(),
        }
    }
}

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The latest last.
    resets: Vec<Reset>,
    /// Who is late now, or was when it was written last: what is known after a reset that nobody asked for.
    #[serde(default)]
    late: Vec<Late>,
    /// The boot whose cause is known.
    #[serde(default)]
    boot: String,
}

impl History {
    pub fn resets(&self) -> &[Reset] {
        &self.resets
    }

    /// When the last reset was: a clock that shows less is wrong.
    pub fn latest(&self) -> Option<Timestamp> {
        self.resets.iter().map(|reset| reset.at).max()
    }

    /// How many there were of late.
    pub fn recent(&self, now: Timestamp) -> usize {
        let is_recent = |reset: &&Reset| reset.at.age(now).is_none_or(|age| age < WITHIN);
        self.resets.iter().filter(is_recent).count()
    }

    pub fn footing(&self, now: Timestamp) -> Footing {
        if self.recent(now) < MOST {
            Footing::Firm
        } else {
            Footing::Safe
        }
    }

    pub fn late(&self) -> &[Late] {
        &self.late
    }

    /// Somebody is late.
    pub fn note(&mut self, late: Late) {
        self.late.retain(|known| known.part != late.part);
        self.late.push(late);
    }

    /// Somebody is not late any more.
    pub fn forget(&mut self, part: &str) {
        self.late.retain(|known| known.part != part);
    }

    /// The process is about to end.
    pub fn process(&mut self, at: Timestamp, late: Late) {
        self.note(late);
        self.add(What::Process, at);
    }

    /// The machine says of this boot that a watchdog was its cause. Whether that is new.
    pub fn machine(&mut self, boot: &str, now: Timestamp) -> bool {
        if self.boot == boot {
            return false;
        }
        boot.clone_into(&mut self.boot);
        match self.resets.last_mut() {
            Some(last) if last.at.age(now).is_none_or(|age| age < SAME) && last.what == What::Process => {
                last.what = What::Machine;
            }
            _ => self.add(What::Machine, now),
        }
        true
    }

    fn add(&mut self, what: What, at: Timestamp) {
        let late = std::mem::take(&mut self.late);
        self.resets.push(Reset { what, at, late });
        self.shorten(KEPT);
    }

    /// Forgets the oldest, down to this number.
    pub(super) fn shorten(&mut self, most: usize) {
        let surplus = self.resets.len().saturating_sub(most);
        self.resets.drain(..surplus);
    }
}
