//! How often the box looks at itself: a duration, or `off`.

use std::{fmt, str::FromStr, time::Duration};

use super::{Span, span::InvalidSpan};

/// How often the box looks at itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// So long between two samples.
    Every(Duration),
    /// Never: nothing is sampled, judged or told.
    Off,
}

const OFF: &str = "off";

impl Sampling {
    /// Between two samples; nothing when there are none.
    pub const fn interval(self) -> Option<Duration> {
        match self {
            Self::Every(interval) => Some(interval),
            Self::Off => None,
        }
    }
}

impl FromStr for Sampling {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        match text.trim() {
            OFF => Ok(Self::Off),
            text => Ok(Self::Every(text.parse::<Span>()?.duration())),
        }
    }
}

impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => Span::from(*interval).fmt(f),
            Self::Off => f.write_str(OFF),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_duration_or_off() {
        for text in ["10s", "1m30s", "off"] {
            assert_eq!(text.parse::<Sampling>().expect(text).to_string(), text);
        }
        for text in ["", "never", "Off", "0ff", "10"] {
            assert!(text.parse::<Sampling>().is_err(), "{text}");
        }
    }
}
