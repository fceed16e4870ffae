//! What is said: a message of one incident, or a digest of several.
//!
//! Promises: a message says what, since when, how bad, what the box does about it and what its reader can do; an incident
//! whose beginning and end were not told before is one line of the digest, and not two. Must not know: who receives it.

mod digest;

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Ending, IncidentId, Notice, Occasion, Subject, incident::lasted};
use crate::{
    clock::Timestamp,
    rule::{Metric, Rule, Severity, Unit},
};

/// A notice with the words for it, as it was when it was written down: rules may be others when it is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    pub notice: Notice,
    pub what: String,
    pub measures: String,
    pub advice: String,
    /// How bad it is, in words.
    pub value: String,
    pub worst: String,
    /// Which process is to blame, where that is known.
    pub culprit: Option<String>,
}

/// What a receiver is given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// One line.
    pub title: String,
    pub text: String,
    pub severity: Severity,
    pub occasion: Told,
    /// The incident, if it is about one only: what threads and deduplicates.
    pub incident: Option<IncidentId>,
    /// All that it tells, in the order in which it happened.
    pub about: Vec<About>,
    /// Names this message for ever: the same when it is sent again.
    pub key: String,
    pub at: Timestamp,
}

/// One thing that a message tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct About {
    pub incident: IncidentId,
    pub subject: Subject,
    pub occasion: Occasion,
}

impl About {
    fn of(letter: &Letter) -> Self {
        let incident = &letter.notice.incident;
        Self {
            incident: incident.id,
            subject: incident.subject.clone(),
            occasion: letter.notice.occasion,
        }
    }
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    Fired,
    Reminder,
    Resolved,
    Digest,
    Test,
}

impl Told {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fired => "fired",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
            Self::Digest => "digest",
            Self::Test => "test",
        }
    }
}

/// Who speaks, and in which time zone.
#[derive(Clone, Debug)]
pub struct Voice {
    pub host: String,
    pub zone: TimeZone,
}

impl Letter {
    pub fn new(notice: Notice, rule: &Rule, culprit: Option<String>) -> Self {
        let metric = rule.when.metric();
        Self {
            value: amount(metric, notice.incident.value),
            worst: amount(metric, notice.incident.worst),
            what: rule.what.clone(),
            measures: rule.measures.clone(),
            advice: rule.advice.clone(),
            culprit,
            notice,
        }
    }

    /// The end of what nobody watches any more, whose rule is not there to say what it was.
    pub fn of_no_rule(notice: Notice) -> Self {
        Self {
            what: notice.incident.subject.rule.to_string(),
            measures: String::new(),
            advice: String::new(),
            value: String::new(),
            worst: String::new(),
            culprit: None,
            notice,
        }
    }

    /// What is wrong, and with which thing.
    fn subject(&self) -> String {
        let of = &self.notice.incident.subject.of;
        if of.is_empty() {
            self.what.clone()
        } else {
            format!("{of}: {}", self.what)
        }
    }
}

/// Puts letters, which are in the order in which they were written, into one message. `None` without letters.
pub fn compose(letters: &[Letter], last: u64, voice: &Voice, now: Timestamp) -> Option<Message> {
    let key = |name: &str| format!("larder-{}-{name}", voice.host);
    match letters {
        [] => None,
        [letter] => Some(single(letter, key(&last.to_string()), voice)),
        several => Some(digest::digest(several, key(&last.to_string()), voice, now)),
    }
}

fn single(letter: &Letter, key: String, voice: &Voice) -> Message {
    let incident = &letter.notice.incident;
    let (mark, occasion) = match letter.notice.occasion {
        Occasion::Fired => (incident.terms.severity.word(), Told::Fired),
        Occasion::Reminder => ("still", Told::Reminder),
        Occasion::Resolved => (end(incident.ending).0, Told::Resolved),
    };
    let mut title = format!("[{mark}] {}: {}", voice.host, letter.subject());
    let since = incident.fired().unwrap_or(incident.seen);
    if letter.notice.occasion != Occasion::Fired {
        let _ = write!(
            title,
            " ({})",
            duration(lasted(since, letter.notice.at).as_secs())
        );
    }
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "{name}: {value}");
        }
    };
    line("what", &letter.subject());
    line("since", &clock(since, voice));
    if letter.notice.occasion == Occasion::Resolved {
        line("until", &clock(letter.notice.at, voice));
    }
    line("now", &letter.value);
    line("worst", &letter.worst);
    if let Some(culprit) = &letter.culprit {
        line("by", culprit);
    }
    if letter.notice.occasion != Occasion::Resolved {
        line("the box", &letter.measures);
        line("you can", &letter.advice);
    }
    if letter.notice.flapping {
        line(
            "note",
            "it comes and goes: it is over when it was fine for longer than usual",
        );
    }
    if letter.notice.occasion == Occasion::Resolved {
        line("note", end(incident.ending).1);
    }
    line("incident", &format!("{} ({})", incident.id.0, incident.subject));
    Message {
        title,
        text,
        severity: incident.terms.severity,
        occasion,
        incident: Some(incident.id),
        about: vec![About::of(letter)],
        key,
        at: letter.notice.at,
    }
}

/// How it is over: in a word, and what there is to say of it.
const fn end(ending: Ending) -> (&'static str, &'static str) {
    match ending {
        Ending::Fine => ("over", ""),
        Ending::Gone => (
            "gone",
            "nothing was measured of it for a day: it is taken for gone, and not for mended",
        ),
        Ending::Unwatched => ("unwatched", "the configuration does not name it any more"),
    }
}

/// A value with its unit, as people read it.
fn amount(metric: Metric, value: f64) -> String {
    let bytes = |value: f64| match value {
        value if value >= 1e9 => format!("{:.1} GB", value / 1e9),
        value if value >= 1e6 => format!("{:.1} MB", value / 1e6),
        value => format!("{:.0} kB", value / 1e3),
    };
    let value = match metric.unit() {
        Unit::Part => format!("{:.1} %", value * 100.0),
        Unit::Bytes => bytes(value),
        Unit::BytesPerSecond => format!("{}/s", bytes(value)),
        Unit::PerSecond => format!("{value:.2}/s"),
        Unit::Seconds if value >= 1.0 => duration(value as u64),
        Unit::Seconds => format!("{:.0} ms", value * 1000.0),
        Unit::Celsius => format!("{value:.0} °C"),
        Unit::Count => format!("{value:.1}"),
        Unit::Yes => return String::new(),
    };
    format!("{metric} {value}")
}

/// The two largest units of a time.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// A time as the box's owner reads it.
fn clock(at: Timestamp, voice: &Voice) -> String {
    let seconds = i64::try_from(at.0).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(instant) => instant
            .to_zoned(voice.zone.clone())
            .strftime("%Y-%m-%d %H:%M %Z")
            .to_string(),
        // After the year 9999.
        Err(_) => at.0.to_string(),
    }
}

#[cfg(test)]
mod tests;
