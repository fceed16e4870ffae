//! What the rest of the house has of the watchdog: whether to wait, and what there is to tell.
//!
//! Must not know: what is done when something hangs.

use std::{sync::Arc, time::Duration};

use crate::{
    api,
    clock::Timestamp,
    metrics::WatchdogReading,
    monitor::figures::Duty,
    pause::{Cause, Pause},
    watchdog::{Footing, Part, Past, Reset, Scribe, Standing, What},
};

const HOUR: Duration = Duration::from_secs(3600);

/// What the rest of the house has of it.
#[derive(Clone, Default)]
pub(super) struct Watched {
    /// On in safe mode.
    pub(super) pause: Pause,
    pub(super) scribe: Option<Scribe>,
    pub(super) standing: Arc<Standing>,
}

impl Watched {
    fn past(&self) -> Past {
        self.scribe.as_ref().map(Scribe::past).unwrap_or_default()
    }

    /// How often the process was started anew within the last hour, as far as a clock that may be wrong tells.
    pub(super) fn restarts(&self, now: Timestamp) -> Option<u64> {
        let past = self.scribe.as_ref()?.past();
        let is_recent = |reset: &&Reset| reset.at.age(now).is_none_or(|age| age < HOUR);
        Some(past.resets.iter().filter(is_recent).count() as u64)
    }

    pub(super) fn duty(&self) -> Duty {
        match self.past().footing {
            Footing::Firm => Duty::All,
            Footing::Safe => Duty::ServingOnly,
        }
    }

    /// What a person should know now.
    pub(super) fn reasons(&self) -> Vec<String> {
        let late = self.standing.late();
        let mut reasons: Vec<String> = late
            .map(|(part, lasts)| format!("{part} makes no progress for {} s", lasts.as_secs()))
            .collect();
        let past = self.past();
        if past.footing == Footing::Safe {
            let last = past.resets.last().map(ToString::to_string).unwrap_or_default();
            reasons.push(format!(
                "safe mode: it was reset again and again, and only serves until six hours have passed; last, {last}"
            ));
        }
        if self.pause.is_on(Cause::Memory) {
            reasons.push("memory is short: collecting and inspecting wait".to_owned());
        }
        reasons
    }

    /// How the watchdog does, for people.
    pub(super) fn told(&self, now: Timestamp) -> api::WatchdogStatus {
        let past = self.past();
        let parts = self.standing.late().map(|(part, lasts)| api::LatePart {
            part: part.name().to_owned(),
            seconds: lasts.as_secs(),
        });
        api::WatchdogStatus {
            safe_mode: past.footing == Footing::Safe,
            late: parts.collect(),
            resets: past.resets.iter().map(|reset| told(reset, now)).collect(),
        }
    }

    /// The same for a scraper.
    pub(super) fn reading(&self) -> WatchdogReading {
        let past = self.past();
        let count = |what: What| past.resets.iter().filter(|reset| reset.what == what).count() as u64;
        WatchdogReading {
            silences: Part::ALL
                .into_iter()
                .map(|part| (part.name(), self.standing.silence(part).as_secs()))
                .collect(),
            safe_mode: u64::from(past.footing == Footing::Safe),
            paused: u64::from(self.pause.is_on(Cause::Memory)),
            resets: [
                ("process", count(What::Process)),
                ("machine", count(What::Machine)),
            ],
        }
    }
}

fn told(reset: &Reset, now: Timestamp) -> api::Reset {
    api::Reset {
        seconds_ago: reset.at.age(now).map(|age| age.as_secs()),
        what: match reset.what {
            What::Process => "process",
            What::Machine => "machine",
        }
        .to_owned(),
        why: reset.to_string(),
    }
}
