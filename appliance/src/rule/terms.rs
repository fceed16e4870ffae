//! What of a rule decides how its incidents go.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::Cause;

/// A rule's name: short, unique, for people and for configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleName(pub String);

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Somebody should look at it when there is time.
    Warning,
    /// The box does not do what it is for, or will soon not do it.
    Critical,
}

impl Severity {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Which way a value gets worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Up,
    Down,
}

/// What of a rule decides how its incidents go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub cause: Cause,
    pub severity: Severity,
    /// It has to be bad for so long before it is an incident.
    pub pending: Duration,
    /// It has to be fine for so long before it is over.
    pub keep: Duration,
    /// Which way it gets worse.
    pub worse: Direction,
    /// It is not told for so long, so that a deeper fault can be found.
    #[serde(default)]
    pub settle: Duration,
    /// Samples further apart than this leave a gap, which counts for nothing.
    pub lapse: Duration,
}
