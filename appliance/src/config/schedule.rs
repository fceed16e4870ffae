//! Times of day: `daily 03:00`, `daily 02:00-05:00`, `22:00-07:00`. In the box's local time zone.

use std::{fmt, str::FromStr, time::Duration};

use super::text::text_serde;

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct InvalidTime {
    text: String,
    what: &'static str,
}

/// Minutes since local midnight, less than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// A time that is on the clock, or none.
    pub const fn new(hour: u16, minute: u16) -> Option<Self> {
        if hour < 24 && minute < 60 {
            Some(Self(hour * 60 + minute))
        } else {
            None
        }
    }

    pub const fn hour(self) -> u16 {
        self.0 / 60
    }

    pub const fn minute(self) -> u16 {
        self.0 % 60
    }
}

impl FromStr for TimeOfDay {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: &str, below: u16| {
            (part.len() == 2)
                .then(|| part.parse::<u16>().ok().filter(|n| *n < below))
                .flatten()
        };
        text.trim()
            .split_once(':')
            .and_then(|(hour, minute)| Some(number(hour, 24)? * 60 + number(minute, 60)?))
            .map(Self)
            .ok_or_else(|| InvalidTime {
                text: text.into(),
                what: "a time of day, as `03:00`",
            })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour(), self.minute())
    }
}

/// A stretch of the day. One whose end is not after its start goes past midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    pub from: TimeOfDay,
    pub to: TimeOfDay,
}

impl Hours {
    /// Whether a time lies in it; the end does not.
    pub fn contains(self, time: TimeOfDay) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

impl Hours {
    /// How long it is.
    pub fn length(self) -> Duration {
        let day = 24 * 60;
        let minutes = (day + self.to.0 - self.from.0) % day;
        Duration::from_secs(u64::from(minutes) * 60)
    }
}

impl FromStr for Hours {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || InvalidTime {
            text: text.into(),
            what: "a stretch of the day, as `22:00-07:00`",
        };
        let (from, to) = text.split_once('-').ok_or_else(refuse)?;
        let from: TimeOfDay = from.parse().map_err(|_| refuse())?;
        let to: TimeOfDay = to.parse().map_err(|_| refuse())?;
        if from == to {
            return Err(refuse());
        }
        Ok(Self { from, to })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from, self.to)
    }
}

/// When something is done each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Schedule(pub TimeOfDay);

/// Between which times something may be done each day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window(pub Hours);

fn after_daily<T: FromStr>(text: &str, what: &'static str) -> Result<T, InvalidTime> {
    text.trim()
        .strip_prefix("daily ")
        .and_then(|time| time.parse().ok())
        .ok_or_else(|| InvalidTime {
            text: text.into(),
            what,
        })
}

impl FromStr for Schedule {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        after_daily(text, "a schedule, as `daily 03:00`").map(Self)
    }
}

impl FromStr for Window {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        after_daily(text, "a window, as `daily 02:00-05:00`").map(Self)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "daily {}", self.0)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "daily {}", self.0)
    }
}

text_serde!(TimeOfDay, Hours, Schedule, Window);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> TimeOfDay {
        text.parse().expect(text)
    }

    #[test]
    fn a_night_goes_past_midnight() {
        let night: Hours = "22:00-07:00".parse().expect("hours");
        assert!(night.contains(at("23:59")) && night.contains(at("00:00")) && night.contains(at("22:00")));
        assert_eq!(night.length(), Duration::from_secs(9 * 3600));
        assert!(!night.contains(at("07:00")) && !night.contains(at("12:00")));
        let window: Window = "daily 02:00-05:00".parse().expect("a window");
        assert!(window.0.contains(at("04:59")) && !window.0.contains(at("05:00")));
        assert_eq!(window.to_string(), "daily 02:00-05:00");
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for bad in ["24:00", "3:00", "03:60", "0300", "03:00:00", "", "-1:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
        for bad in ["03:00", "weekly 03:00", "daily"] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad}");
        }
        assert!("05:00-05:00".parse::<Hours>().is_err());
    }
}
