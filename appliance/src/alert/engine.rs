//! All incidents: which are told, held back, told again.
//!
//! One round is: every rule's signal ([`Engine::observe`]), then what follows from all of them together
//! ([`Engine::conclude`]). What may explain an incident is often seen after it, so that none is told before it has
//! settled ([`Terms::settle`]).
//!
//! Promises: see [`super`]; what is here can be written down after any round and read back, in another process as well.
//! Must not know: how messages look.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Silences,
    flaps::Flaps,
    incident::{Ending, Incident, IncidentId, Phase, Signal, Step, Subject},
};
use crate::{
    clock::Timestamp,
    rule::{Label, RuleName, Terms},
};

/// After the beginning was told: the pauses before the first reminders; the last is repeated.
const REMINDERS: [Duration; 3] = [
    Duration::from_secs(4 * 3600),
    Duration::from_secs(8 * 3600),
    Duration::from_secs(24 * 3600),
];
/// The most incidents at a time. What comes on top of them is not followed; there is enough to be told.
const MOST: usize = 256;
/// Incidents that are over, for people.
const KEPT: usize = 100;

/// Why somebody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occasion {
    Fired,
    /// It lasts.
    Reminder,
    Resolved,
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub occasion: Occasion,
    pub at: Timestamp,
    pub incident: Incident,
    /// It comes and goes.
    pub flapping: bool,
}

/// Why an incident is not told although it fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// By a silence of this number.
    Silenced(u64),
    /// By what explains it.
    Inhibited(Subject),
}

/// An incident with all that is to be said of it now.
#[derive(Clone, Debug, PartialEq)]
pub struct View<'a> {
    pub incident: &'a Incident,
    pub overlay: Option<Overlay>,
    pub flapping: bool,
}

/// An incident that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    pub incident: Incident,
    pub ended: Timestamp,
}

/// All incidents of a box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    next: u64,
    incidents: Vec<Incident>,
    fired: Flaps,
    past: Vec<Past>,
    pub silences: Silences,
    /// What has ended in this round.
    #[serde(skip)]
    ended: Vec<Incident>,
    #[serde(skip)]
    changed: bool,
}

impl Engine {
    /// What a rule says of a subject now.
    pub fn observe(&mut self, subject: &Subject, terms: Terms, signal: Signal, now: Timestamp) {
        let keep = self.fired.keep(subject, terms, now);
        let Some(place) = self.place(subject) else {
            self.begin(subject, terms, signal, now);
            return;
        };
        let incident = &mut self.incidents[place];
        // The configuration may have changed since it began.
        incident.terms = terms;
        match incident.take(signal, keep, now) {
            Step::Stays => {}
            Step::Moves => self.changed = true,
            Step::Forgotten => {
                self.incidents.remove(place);
                self.changed = true;
            }
            Step::Fires => self.fires(place, now),
            Step::Ends => {
                let incident = self.incidents.remove(place);
                self.ended.push(incident);
                self.changed = true;
            }
        }
    }

    fn begin(&mut self, subject: &Subject, terms: Terms, signal: Signal, now: Timestamp) {
        let Signal::Bad(value) = signal else { return };
        if self.incidents.len() >= MOST {
            return;
        }
        self.next += 1;
        let mut incident = Incident::new(IncidentId(self.next), subject.clone(), terms, value, now);
        let fires = terms.pending.is_zero();
        if fires {
            incident.phase = Phase::Firing { since: now };
        }
        self.incidents.push(incident);
        self.changed = true;
        if fires {
            self.fires(self.incidents.len() - 1, now);
        }
    }

    fn fires(&mut self, place: usize, now: Timestamp) {
        let incident = &mut self.incidents[place];
        if incident.told.is_none() {
            incident.hold = after(now, incident.terms.settle);
        }
        self.fired.note(&incident.subject, now);
        self.changed = true;
    }

    /// What has to be told after this round.
    pub fn conclude(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut notices = Vec::new();
        for incident in std::mem::take(&mut self.ended) {
            if incident.told.is_some() {
                notices.push(self.notice(Occasion::Resolved, &incident, now));
            }
            if self.past.len() == KEPT {
                self.past.remove(0);
            }
            self.past.push(Past { incident, ended: now });
        }
        for place in 0..self.incidents.len() {
            notices.extend(self.tell(place, now));
        }
        self.changed |= !notices.is_empty();
        notices
    }

    fn tell(&mut self, place: usize, now: Timestamp) -> Option<Notice> {
        let incident = &self.incidents[place];
        let Phase::Firing { .. } = incident.phase else {
            return None;
        };
        let is_held = now < incident.hold;
        let overlay = self.overlay(incident, now);
        let is_inhibited = matches!(overlay, Some(Overlay::Inhibited(_)));
        let occasion = match incident.told {
            None => Occasion::Fired,
            Some(told) if now >= reminder(told, incident.reminders) => Occasion::Reminder,
            Some(_) => return None,
        };
        let incident = &mut self.incidents[place];
        if is_inhibited {
            // What explains it may end a moment before it.
            incident.hold = after(now, incident.terms.settle);
        }
        if overlay.is_some() || occasion == Occasion::Fired && is_held {
            return None;
        }
        match occasion {
            Occasion::Fired => incident.told = Some(now),
            Occasion::Reminder | Occasion::Resolved => {
                incident.reminders += 1;
                if incident.acknowledged.is_some() {
                    return None;
                }
            }
        }
        let incident = self.incidents[place].clone();
        Some(self.notice(occasion, &incident, now))
    }

    fn notice(&self, occasion: Occasion, incident: &Incident, now: Timestamp) -> Notice {
        Notice {
            occasion,
            at: now,
            flapping: self.fired.is_flapping(&incident.subject, now),
            incident: incident.clone(),
        }
    }

    fn overlay(&self, incident: &Incident, now: Timestamp) -> Option<Overlay> {
        if let Some(silence) = self.silences.covering(&incident.subject, now) {
            return Some(Overlay::Silenced(silence.id));
        }
        let reason = self.incidents.iter().find(|other| outweighs(other, incident))?;
        Some(Overlay::Inhibited(reason.subject.clone()))
    }

    fn place(&self, subject: &Subject) -> Option<usize> {
        self.incidents.iter().position(|one| one.subject == *subject)
    }

    /// Somebody takes care of it. Whether there is such an incident.
    pub fn acknowledge(&mut self, id: IncidentId, by: &str) -> bool {
        let found = self.incidents.iter_mut().find(|incident| incident.id == id);
        let is_there = found.is_some();
        if let Some(incident) = found {
            incident.acknowledged = Some(by.to_owned());
            self.changed = true;
        }
        is_there
    }

    /// The things of which a rule has incidents.
    pub fn things_of(&self, rule: &RuleName) -> Vec<Label> {
        let of = self
            .incidents
            .iter()
            .filter(|incident| incident.subject.rule == *rule);
        of.map(|incident| Label::new(&incident.subject.of)).collect()
    }

    /// Ends incidents that nobody watches any more: whoever was told of their beginning is told of it.
    pub fn keep_only(&mut self, mut is_watched: impl FnMut(&Subject) -> bool) {
        let unwatched = self.incidents.extract_if(.., |one| !is_watched(&one.subject));
        for mut incident in unwatched {
            self.changed = true;
            if incident.fired().is_some() {
                incident.ending = Ending::Unwatched;
                self.ended.push(incident);
            }
        }
    }

    /// All incidents that are not over.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.iter()
    }

    /// All incidents that are not over, with what is to be said of each.
    pub fn views(&self, now: Timestamp) -> Vec<View<'_>> {
        let view = |incident| View {
            incident,
            overlay: self.overlay(incident, now),
            flapping: self.fired.is_flapping(&incident.subject, now),
        };
        self.incidents.iter().map(view).collect()
    }

    /// Incidents that are over, the latest last.
    pub fn past(&self) -> &[Past] {
        &self.past
    }

    /// Whether there is something to be written down since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

/// Whether one incident is reason enough not to tell of another.
fn outweighs(one: &Incident, other: &Incident) -> bool {
    if one.terms.cause.explains(other.terms.cause) {
        return true;
    }
    let is_graver = one.terms.severity > other.terms.severity && one.fired().is_some();
    is_graver && one.terms.cause == other.terms.cause && one.subject.of == other.subject.of
}

/// When the next reminder is due.
fn reminder(told: Timestamp, sent: u32) -> Timestamp {
    let mut due = told;
    for number in 0..=sent as usize {
        due = after(due, REMINDERS[number.min(REMINDERS.len() - 1)]);
    }
    due
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(wait.as_secs()))
}
