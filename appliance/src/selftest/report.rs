//! What a replay came to: expectations with what was seen, figures, and what was left out.
//!
//! Promises: an incident is survived only if something was expected and all of it was seen. Must not know: the incidents'
//! figures.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::Incident;

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    Count,
    Bytes,
    Milliseconds,
    /// Of a whole.
    Percent,
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    pub what: &'static str,
    pub value: f64,
    pub unit: Unit,
}

/// Something that has to be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    pub what: &'static str,
    pub expected: String,
    pub seen: String,
    pub held: bool,
}

/// A part of an incident that this version does not replay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotReplayed {
    pub what: &'static str,
    pub why: &'static str,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Survived,
    NotSurvived,
}

impl Verdict {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Survived => "survived",
            Self::NotSurvived => "NOT SURVIVED",
        }
    }
}

/// All that is to be said of a replay but its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Findings {
    pub(super) expectations: Vec<Expectation>,
    pub(super) figures: Vec<Figure>,
    pub(super) not_replayed: Vec<NotReplayed>,
}

/// A replay that could not be carried on with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} {subject}: {cause}")]
pub(super) struct Unplayable {
    operation: &'static str,
    subject: String,
    cause: String,
}

impl Unplayable {
    pub(super) fn new(operation: &'static str, subject: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self {
            operation,
            subject: subject.to_string(),
            cause: cause.to_string(),
        }
    }
}

impl Findings {
    /// That and nothing else.
    pub(super) fn equal(&mut self, what: &'static str, expected: u64, seen: u64) {
        self.add(what, expected.to_string(), seen.to_string(), seen == expected);
    }

    /// That it is so.
    pub(super) fn holds(&mut self, what: &'static str, seen: bool) {
        let word = if seen { "yes" } else { "no" };
        self.add(what, "yes".to_owned(), word.to_owned(), seen);
    }

    pub(super) fn at_most(&mut self, what: &'static str, bound: u64, seen: u64, unit: Unit) {
        let expected = format!("at most {}", unit.show(bound as f64));
        self.add(what, expected, unit.show(seen as f64), seen <= bound);
    }

    /// A part of a whole, from 0 to 1.
    pub(super) fn part_at_most(&mut self, what: &'static str, bound: f64, seen: f64) {
        let percent = |part: f64| Unit::Percent.show(part * 100.0);
        self.add(
            what,
            format!("at most {}", percent(bound)),
            percent(seen),
            seen <= bound,
        );
    }

    /// Also of what the replay itself has to have done: else it would show nothing.
    pub(super) fn at_least(&mut self, what: &'static str, bound: u64, seen: u64) {
        self.add(what, format!("at least {bound}"), seen.to_string(), seen >= bound);
    }

    pub(super) fn within(&mut self, what: &'static str, bound: Duration, seen: Duration) {
        let show = |time: Duration| Unit::Milliseconds.show(time.as_secs_f64() * 1e3);
        self.add(
            what,
            format!("at most {}", show(bound)),
            show(seen),
            seen <= bound,
        );
    }

    /// None of a list of things that went wrong.
    pub(super) fn nothing_of(&mut self, what: &'static str, wrong: &[String]) {
        let seen = match wrong {
            [] => "none".to_owned(),
            [one] => one.clone(),
            [first, ..] => format!("{}, the first: {first}", wrong.len()),
        };
        self.add(what, "none".to_owned(), seen, wrong.is_empty());
    }

    fn add(&mut self, what: &'static str, expected: String, seen: String, held: bool) {
        self.expectations.push(Expectation {
            what,
            expected,
            seen,
            held,
        });
    }

    pub(super) fn figure(&mut self, what: &'static str, value: f64, unit: Unit) {
        self.figures.push(Figure { what, value, unit });
    }

    pub(super) fn time(&mut self, what: &'static str, time: Duration) {
        // What is shown is a tenth of a microsecond at the finest.
        let value = (time.as_secs_f64() * 1e7).round() / 1e4;
        self.figure(what, value, Unit::Milliseconds);
    }

    pub(super) fn not_replayed(&mut self, what: &'static str, why: &'static str) {
        self.not_replayed.push(NotReplayed { what, why });
    }

    /// It could not be played to its end: whatever is behind that, nothing was shown.
    pub(super) fn broken_off(why: &Unplayable) -> Self {
        let mut findings = Self::default();
        let whole = "the incident can be played to its end";
        findings.add(whole, "yes".to_owned(), why.to_string(), false);
        findings
    }

    pub(super) fn hung(most: Duration) -> Self {
        let mut findings = Self::default();
        let seen = format!("it was not done after {} s, and given up", most.as_secs());
        findings.add("the replay comes to an end", "yes".to_owned(), seen, false);
        findings
    }
}

impl Unit {
    /// The number as a person reads it.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Count => format!("{value:.0}"),
            Self::Bytes if value >= 1024.0 * 1024.0 => format!("{:.1} MiB", value / (1024.0 * 1024.0)),
            Self::Bytes if value >= 1024.0 => format!("{:.1} KiB", value / 1024.0),
            Self::Bytes => format!("{value:.0} B"),
            Self::Milliseconds if value < 10.0 => format!("{value:.2} ms"),
            Self::Milliseconds => format!("{value:.0} ms"),
            Self::Percent => format!("{value:.1} %"),
        }
    }
}

/// What one replay came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub incident: &'static str,
    pub what: &'static str,
    pub threads: Vec<String>,
    pub verdict: Verdict,
    pub seconds: f64,
    pub expectations: Vec<Expectation>,
    pub figures: Vec<Figure>,
    pub not_replayed: Vec<NotReplayed>,
}

impl Outcome {
    pub(super) fn of(incident: Incident, findings: Findings, took: Duration) -> Self {
        let is_shown = !findings.expectations.is_empty();
        let held = findings.expectations.iter().all(|expectation| expectation.held);
        Self {
            incident: incident.name(),
            what: incident.what(),
            threads: incident.threads(),
            verdict: if is_shown && held {
                Verdict::Survived
            } else {
                Verdict::NotSurvived
            },
            seconds: (took.as_secs_f64() * 10.0).round() / 10.0,
            expectations: findings.expectations,
            figures: findings.figures,
            not_replayed: findings.not_replayed,
        }
    }
}

/// What all of them came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub version: &'static str,
    pub verdict: Verdict,
    pub incidents: Vec<Outcome>,
}

impl Report {
    pub fn of(incidents: Vec<Outcome>) -> Self {
        let survived = |outcome: &Outcome| outcome.verdict == Verdict::Survived;
        let all = !incidents.is_empty() && incidents.iter().all(survived);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            verdict: if all {
                Verdict::Survived
            } else {
                Verdict::NotSurvived
            },
            incidents,
        }
    }

    /// Those that were not survived.
    pub fn not_survived(&self) -> Vec<&'static str> {
        let not = self
            .incidents
            .iter()
            .filter(|one| one.verdict == Verdict::NotSurvived);
        not.map(|one| one.incident).collect()
    }
}

#[cfg(test)]
mod tests;
