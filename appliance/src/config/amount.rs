//! Amounts that people write with a unit: sizes in bytes and rates in bytes per second.
//!
//! Promises: what is printed is parsed back to the same value; a unit that could mean two things is refused.

use std::{fmt, str::FromStr};

use super::text::text_serde;

/// Binary units first: they are what is printed.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Lines are sold in bits.
const BIT_UNITS: [(&str, u64); 3] = [
    ("Gbit", 1_000_000_000 / 8),
    ("Mbit", 1_000_000 / 8),
    ("kbit", 1_000 / 8),
];

/// A number of bytes: `32MiB`, `1.5GB`, `4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Size(u64);

impl Size {
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// A number of bytes per second: `20MiB/s`, `100Mbit/s`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }
}

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size: {reason}")]
pub struct InvalidSize {
    text: String,
    reason: &'static str,
}

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a rate: {reason}")]
pub struct InvalidRate {
    text: String,
    reason: &'static str,
}

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        amount(text, &UNITS).map(Self).map_err(|reason| InvalidSize {
            text: text.into(),
            reason,
        })
    }
}

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |reason| InvalidRate {
            text: text.into(),
            reason,
        };
        let number = text
            .trim()
            .strip_suffix("/s")
            .ok_or_else(|| refuse("it must end in `/s`, as `20MiB/s` or `100Mbit/s`"))?;
        let bits = number.trim_end().to_ascii_lowercase().ends_with("bit");
        let bytes = if bits {
            amount(number, &BIT_UNITS)
        } else {
            amount(number, &UNITS)
        };
        match bytes.map_err(refuse)? {
            0 => Err(refuse("it is zero; leave it empty for no limit")),
            bytes => Ok(Self(bytes)),
        }
    }
}

/// A decimal number and one of `units`, or no unit, in bytes.
fn amount(text: &str, units: &[(&str, u64)]) -> Result<u64, &'static str> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let factor = match unit {
        "" => 1,
        unit => units
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| *factor)
            .ok_or("its unit is not known; write KiB, MiB, GiB, TiB (1024) or KB, MB, GB, TB (1000)")?,
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or("it is too large");
    }
    if unit.is_empty() || number.starts_with('.') || number.ends_with('.') {
        return Err("write a number and a unit, as `32MiB`, or a whole number of bytes");
    }
    let value = number
        .parse::<f64>()
        .map_err(|_| "write a number and a unit, as `32MiB`, or a whole number of bytes")?
        * factor as f64;
    // Above 2^53 a fraction of a unit is not exact any more, and nobody means it.
    if value > 9e15 {
        return Err("it is too large");
    }
    Ok(value.round() as u64)
}

fn print(bytes: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let binary = UNITS[..4]
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match binary {
        Some((unit, factor)) => write!(f, "{}{unit}", bytes / factor),
        None => write!(f, "{bytes}B"),
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, f)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, f)?;
        f.write_str("/s")
    }
}

text_serde!(Size, Rate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("32MiB", 32 << 20),
            ("4096", 4096),
            ("0", 0),
            (" 20 GB ", 20_000_000_000),
            ("1.5GiB", 3 << 29),
            ("7b", 7),
            ("1tib", 1 << 40),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for bad in [
            "",
            "MiB",
            "32M",
            "-1",
            "1.5",
            "1..5GiB",
            "99999999999TiB",
            "12 apples",
        ] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for bytes in [0, 1, 1000, 1024, 1 << 20, (1 << 30) + 1, u64::MAX] {
            assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }
        assert_eq!(Size(32 << 20).to_string(), "32MiB");
        let rate: Rate = "20MiB/s".parse().expect("a rate");
        assert_eq!((rate.0, rate.to_string().as_str()), (20 << 20, "20MiB/s"));
    }

    #[test]
    fn a_rate_may_be_in_bits_and_is_never_zero() {
        assert_eq!(
            "100Mbit/s".parse::<Rate>().map(Rate::bytes_per_second),
            Ok(12_500_000)
        );
        for bad in ["20MiB", "0MiB/s", "/s", "20Mbits/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }
}
