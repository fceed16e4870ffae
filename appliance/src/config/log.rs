//! `[log]`: how much is said, and in which form.

use std::{fmt, str::FromStr};

use tracing_subscriber::filter::Targets;

use super::{reader::Section, setting::words, text::text_serde};

/// What is logged, to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub level: LogLevel,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    Auto,
    Text,
    Json,
}

words!(LogFormat { "auto" => Auto, "text" => Text, "json" => Json });

/// A level for everything, and others for parts: `info`, `info,access=off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

/// Why a text is no level.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a log level")]
pub struct InvalidLogLevel {
    text: String,
}

impl LogLevel {
    /// The filter that it stands for.
    pub fn targets(&self) -> Targets {
        self.0.parse().unwrap_or_default()
    }
}

impl FromStr for LogLevel {
    type Err = InvalidLogLevel;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        // `Targets` takes a bare word for a target's name: a misspelt level would log everything.
        let known = text.split(',').all(|part| {
            let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
            LEVELS.contains(&level)
        });
        if !known || text.parse::<Targets>().is_err() {
            return Err(InvalidLogLevel { text: text.into() });
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(LogLevel);

pub(super) fn read(s: &Section<'_>) -> Option<LogConfig> {
    let format = s.read("format");
    let level = s.read("level");
    Some(LogConfig {
        format: format?,
        level: level?,
    })
}
