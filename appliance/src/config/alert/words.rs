//! How causes, severities, conditions and time zones are written.

use std::{fmt, str::FromStr};

use figment::value::Value;
use jiff::tz::TimeZone;

use super::super::setting::{Setting, describe, quote};
use crate::rule::{Cause, Condition, Severity};

impl Setting for Cause {
    fn allowed() -> String {
        let words: Vec<String> = Self::ALL.iter().map(|cause| quote(cause.word())).collect();
        words.join(", ")
    }

    fn read(value: &Value) -> Result<Self, String> {
        let found = Self::ALL
            .into_iter()
            .find(|cause| value.as_str() == Some(cause.word()));
        found.ok_or_else(|| format!("it is {}", describe(value)))
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.word()))
    }
}

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

impl Setting for Severity {
    fn allowed() -> String {
        let words: Vec<String> = SEVERITIES.iter().map(|severity| quote(severity.word())).collect();
        words.join(", ")
    }

    fn read(value: &Value) -> Result<Self, String> {
        let found = SEVERITIES
            .into_iter()
            .find(|severity| value.as_str() == Some(severity.word()));
        found.ok_or_else(|| format!("it is {}", describe(value)))
    }

    fn show(&self) -> Option<String> {
        Some(quote(self.word()))
    }
}

/// A condition, and how it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Written {
    text: String,
    pub(super) condition: Condition,
}

impl Setting for Written {
    fn allowed() -> String {
        "a condition as \"disk.bytes-used > 95 %\" or \"avg(cpu.busy, 5m) > 0.9 and pressure.cpu > 0.5\""
            .into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        let text = value
            .as_str()
            .ok_or_else(|| format!("it is {}", describe(value)))?;
        let condition = text
            .parse()
            .map_err(|error: crate::rule::Unreadable| format!("`{text}` cannot be read: {error}"))?;
        Ok(Self {
            text: text.to_owned(),
            condition,
        })
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.text))
    }
}

/// A time zone by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// There is no time zone of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone `{0}`")]
pub struct InvalidZone(String);

impl Zone {
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

impl FromStr for Zone {
    type Err = InvalidZone;

    fn from_str(text: &str) -> Result<Self, InvalidZone> {
        let zone = TimeZone::get(text).map_err(|_| InvalidZone(text.to_owned()))?;
        Ok(Self {
            name: text.to_owned(),
            zone,
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
