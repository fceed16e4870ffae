//! When a receiver's letters are sent.
//!
//! Promises: a letter that is held back by quiet hours or by the rate goes out with the next ones, as one message; a
//! critical one waits for neither of the two longer than a minute. Must not know: how messages are sent, where letters
//! are kept.

use std::time::Duration;

use jiff::{Zoned, civil::Time, tz::TimeZone};

use super::{Letter, Occasion};
use crate::{
    clock::Timestamp,
    config::{Frequency, Hours, TimeOfDay},
    rule::Severity,
};

const HOUR: Duration = Duration::from_secs(3600);

/// What a receiver wants.
#[derive(Clone, Debug)]
pub struct Wishes {
    pub quiet: Option<Hours>,
    pub zone: TimeZone,
    pub rate: Frequency,
    /// Less than this is not for it.
    pub least: Severity,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq)]
pub enum Due {
    Nothing,
    /// Not before.
    At(Timestamp),
    /// All of them, as one message.
    Now,
}

impl Wishes {
    /// Whether a letter is for this receiver at all.
    pub fn wants(&self, letter: &Letter) -> bool {
        letter.notice.incident.terms.severity >= self.least
    }

    /// When the letters that wait are to be sent; `sent` are the times of the last messages.
    pub fn due(&self, waiting: &[Letter], sent: &[Timestamp], now: Timestamp) -> Due {
        if waiting.is_empty() {
            return Due::Nothing;
        }
        let apart = sent
            .iter()
            .max()
            .map_or(now, |last| after(*last, self.rate.apart));
        let is_urgent = waiting.iter().any(is_critical);
        let earliest = if is_urgent {
            apart
        } else {
            apart.max(self.after_quiet(now)).max(self.room(sent, now))
        };
        if earliest > now {
            Due::At(earliest)
        } else {
            Due::Now
        }
    }

    /// Now, or the end of the quiet hours.
    fn after_quiet(&self, now: Timestamp) -> Timestamp {
        let end = self.quiet.and_then(|hours| {
            let local = local(now, &self.zone)?;
            hours.contains(time_of(&local)?).then(|| end(&local, hours))?
        });
        end.map_or(now, |end| end.max(now))
    }

    /// When the hour has room for another message.
    fn room(&self, sent: &[Timestamp], now: Timestamp) -> Timestamp {
        let is_recent = |at: &Timestamp| at.age(now).is_some_and(|age| age < HOUR);
        let mut recent: Vec<Timestamp> = sent.iter().copied().filter(is_recent).collect();
        recent.sort_unstable();
        match recent.len().checked_sub(self.rate.per_hour) {
            Some(oldest) => after(recent[oldest], HOUR),
            None => now,
        }
    }
}

/// Also its end, when its beginning was told at once.
fn is_critical(letter: &Letter) -> bool {
    let notice = &letter.notice;
    notice.incident.terms.severity == Severity::Critical && notice.occasion != Occasion::Reminder
}

fn local(now: Timestamp, zone: &TimeZone) -> Option<Zoned> {
    let instant = jiff::Timestamp::from_second(i64::try_from(now.0).ok()?).ok()?;
    Some(instant.to_zoned(zone.clone()))
}

fn time_of(local: &Zoned) -> Option<TimeOfDay> {
    TimeOfDay::new(
        local.hour().unsigned_abs().into(),
        local.minute().unsigned_abs().into(),
    )
}

/// When hours that it is in now will be over, by the clock on the wall: a day may have 23 or 25 of them.
fn end(local: &Zoned, hours: Hours) -> Option<Timestamp> {
    let (hour, minute) = (
        i8::try_from(hours.to.hour()).ok()?,
        i8::try_from(hours.to.minute()).ok()?,
    );
    let at = Time::new(hour, minute, 0, 0).ok()?;
    let today = local.date().to_datetime(at);
    let day = if today > local.datetime() {
        local.date()
    } else {
        local.date().tomorrow().ok()?
    };
    let end = day.to_datetime(at).to_zoned(local.time_zone().clone()).ok()?;
    Some(Timestamp(u64::try_from(end.timestamp().as_second()).ok()?))
}

fn after(time: Timestamp, wait: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(wait.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        alert::{Incident, IncidentId, Notice, Phase, Subject},
        rule::{Cause, Direction, RuleName, Terms},
    };

    fn letter(severity: Severity, occasion: Occasion) -> Letter {
        let at = Timestamp(0);
        let terms = Terms {
            cause: Cause::Disk,
            severity,
            pending: Duration::ZERO,
            keep: Duration::ZERO,
            worse: Direction::Up,
            settle: Duration::ZERO,
            lapse: Duration::ZERO,
        };
        let subject = Subject {
            rule: RuleName("disk".to_owned()),
            of: String::new(),
        };
        let incident = Incident {
            phase: Phase::Firing { since: at },
            ..Incident::new(IncidentId(1), subject, terms, 1.0, at)
        };
        Letter {
            notice: Notice {
                occasion,
                at,
                incident,
                flapping: false,
            },
            what: String::new(),
            measures: String::new(),
            advice: String::new(),
            value: String::new(),
            worst: String::new(),
            culprit: None,
        }
    }

    fn at(text: &str) -> Timestamp {
        let zoned: Zoned = text.parse().expect(text);
        Timestamp(zoned.timestamp().as_second() as u64)
    }

    fn wishes(quiet: Option<&str>) -> Wishes {
        Wishes {
            quiet: quiet.map(|hours| hours.parse().expect(hours)),
            zone: TimeZone::get("Europe/Berlin").expect("known"),
            rate: Frequency::default(),
            least: Severity::Info,
        }
    }

    #[test]
    fn quiet_hours_end_by_the_clock_on_the_wall_also_when_it_is_set() {
        let waiting = [letter(Severity::Warning, Occasion::Fired)];
        for (quiet, now, end) in [
            (
                "22:00-07:00",
                "2026-02-10T23:00[Europe/Berlin]",
                "2026-02-11T07:00[Europe/Berlin]",
            ),
            (
                "22:00-07:00",
                "2026-02-10T03:00[Europe/Berlin]",
                "2026-02-10T07:00[Europe/Berlin]",
            ),
            // The night has an hour less, and one more.
            (
                "22:00-07:00",
                "2026-03-28T23:00[Europe/Berlin]",
                "2026-03-29T07:00[Europe/Berlin]",
            ),
            (
                "22:00-07:00",
                "2026-10-24T23:00[Europe/Berlin]",
                "2026-10-25T07:00[Europe/Berlin]",
            ),
            // That time is not on the clock that night.
            (
                "22:00-02:30",
                "2026-03-29T00:00[Europe/Berlin]",
                "2026-03-29T03:30[Europe/Berlin]",
            ),
            (
                "13:00-15:00",
                "2026-02-10T14:59[Europe/Berlin]",
                "2026-02-10T15:00[Europe/Berlin]",
            ),
        ] {
            let due = wishes(Some(quiet)).due(&waiting, &[], at(now));
            assert_eq!(due, Due::At(at(end)), "{quiet} {now}");
        }
        let by_day = wishes(Some("22:00-07:00")).due(&waiting, &[], at("2026-02-10T07:00[Europe/Berlin]"));
        assert_eq!(by_day, Due::Now);
        let night = at("2026-03-28T23:00[Europe/Berlin]");
        assert_eq!(
            at("2026-03-29T07:00[Europe/Berlin]").0 - night.0,
            7 * 3600,
            "the short night"
        );
    }

    #[test]
    fn what_is_critical_waits_for_no_morning() {
        let night = at("2026-02-10T23:00[Europe/Berlin]");
        let wishes = wishes(Some("22:00-07:00"));
        let warning = letter(Severity::Warning, Occasion::Fired);
        let urgent = [warning.clone(), letter(Severity::Critical, Occasion::Fired)];
        assert_eq!(
            wishes.due(&urgent, &[], night),
            Due::Now,
            "and takes the others with it"
        );
        let reminder = [letter(Severity::Critical, Occasion::Reminder)];
        assert!(matches!(wishes.due(&reminder, &[], night), Due::At(_)));
        assert_eq!(wishes.due(&[], &[], night), Due::Nothing);
    }

    #[test]
    fn messages_are_a_minute_apart_and_six_in_an_hour() {
        let now = Timestamp(100_000);
        let wishes = wishes(None);
        let warning = [letter(Severity::Warning, Occasion::Fired)];
        let critical = [letter(Severity::Critical, Occasion::Fired)];
        let sent =
            |ages: &[u64]| -> Vec<Timestamp> { ages.iter().map(|age| Timestamp(now.0 - age)).collect() };
        assert_eq!(
            wishes.due(&warning, &sent(&[10]), now),
            Due::At(Timestamp(now.0 + 50))
        );
        assert_eq!(
            wishes.due(&critical, &sent(&[10]), now),
            Due::At(Timestamp(now.0 + 50))
        );
        let many = sent(&[3700, 3000, 2500, 2000, 1500, 1000, 500]);
        assert_eq!(wishes.due(&warning, &many, now), Due::At(Timestamp(now.0 + 600)));
        assert_eq!(wishes.due(&critical, &many, now), Due::Now);
    }

    #[test]
    fn a_receiver_is_told_what_is_grave_enough_for_it() {
        let wishes = Wishes {
            least: Severity::Warning,
            ..wishes(None)
        };
        assert!(!wishes.wants(&letter(Severity::Info, Occasion::Fired)));
        assert!(wishes.wants(&letter(Severity::Critical, Occasion::Fired)));
    }
}
