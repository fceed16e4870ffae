//! Durations as people write them: `30s`, `5m`, `1h30m`, `0s`.

use std::{fmt, str::FromStr, time::Duration};

use super::text::text_serde;

/// Largest first: the order in which they are written.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A duration in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

impl Span {
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    /// Rounds down to milliseconds.
    fn from(duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(Duration::from_millis(millis))
    }
}

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: {reason}")]
pub struct InvalidSpan {
    text: String,
    reason: &'static str,
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| InvalidSpan {
            text: text.into(),
            reason,
        };
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(refuse("write a number and a unit, as `30s` or `1h30m`"));
        }
        let mut total: u64 = 0;
        // Each unit may follow a larger one only, so that `5m1h` is seen as the slip that it is.
        let mut allowed = UNITS.as_slice();
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number: u64 = rest[..digits]
                .parse()
                .map_err(|_| refuse("write a whole number before each unit, as `30s` or `1h30m`"))?;
            rest = &rest[digits..];
            let letters = rest
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(rest.len());
            let unit = &rest[..letters];
            if unit.is_empty() {
                return Err(refuse("a unit is missing; write `ms`, `s`, `m`, `h` or `d`"));
            }
            let place = allowed
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(|| {
                    refuse("the units are `d`, `h`, `m`, `s` and `ms`, each once, largest first")
                })?;
            total = number
                .checked_mul(allowed[place].1)
                .and_then(|part| total.checked_add(part))
                .ok_or_else(|| refuse("it is too long"))?;
            allowed = &allowed[place + 1..];
            rest = rest[letters..].trim_start();
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, length) in UNITS {
            if left >= length {
                write!(f, "{}{unit}", left / length)?;
                left %= length;
            }
        }
        Ok(())
    }
}

text_serde!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed() {
        for (text, seconds, printed) in [
            ("30s", 30, "30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5400, "1h30m"),
            ("0s", 0, "0s"),
            ("90s", 90, "1m30s"),
            ("1d 2h", 93_600, "1d2h"),
            ("1500ms", 1, "1s500ms"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!(span.duration().as_secs(), seconds, "{text}");
            assert_eq!(span.to_string(), printed);
            assert_eq!(printed.parse(), Ok(span));
        }
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for bad in [
            "",
            "5",
            "m",
            "5m1h",
            "1s1s",
            "-5s",
            "1.5h",
            "5 minutes",
            "99999999999999999d",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }
}
