//! What kinds of values a setting can have, how each is read, and how it is shown again.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use figment::value::Value;

use lettre::message::Mailbox;

use super::{
    Endpoint, Fraction, Hours, Limit, LogLevel, Pattern, Rate, Sampling, Schedule, Secret, Size, Span,
    Window,
    alert::{Header, Template, Zone},
};
use crate::oci::UpstreamName;

/// A type that a setting can have.
pub(super) trait Setting: Sized {
    /// What may be written, for a person: a noun phrase.
    fn allowed() -> String;

    /// Reads a value; on failure, why it cannot be taken.
    fn read(value: &Value) -> Result<Self, String>;

    /// The value as TOML writes it. `None`: it must not be seen.
    fn show(&self) -> Option<String>;
}

/// A value in a message.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::String(_, text) => quote(text),
        Value::Char(_, c) => quote(&c.to_string()),
        Value::Bool(_, yes) => yes.to_string(),
        Value::Num(..) => number(value),
        Value::Empty(..) => "nothing".into(),
        Value::Dict(..) => "a table".into(),
        Value::Array(..) => "a list".into(),
    }
}

/// A TOML string.
pub(super) fn quote(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

fn number(value: &Value) -> String {
    match (value.to_i128(), value.to_u128()) {
        (Some(n), _) => n.to_string(),
        (None, Some(n)) => n.to_string(),
        (None, None) => value
            .to_num()
            .and_then(|n| n.to_f64())
            .unwrap_or_default()
            .to_string(),
    }
}

/// The text of a value that is written as text, or as a whole number.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(_, text) => Ok(text.clone()),
        Value::Char(_, c) => Ok(c.to_string()),
        Value::Num(..) => Ok(number(value)),
        other => Err(format!("it is {}, not text", describe(other))),
    }
}

fn parsed<T: FromStr<Err: std::error::Error>>(value: &Value) -> Result<T, String> {
    text(value)?.parse().map_err(|e: T::Err| crate::source::chain(&e))
}

/// Types that are written as text.
macro_rules! by_text {
    ($($kind:ty: $allowed:expr;)+) => {$(
        impl Setting for $kind {
            fn allowed() -> String {
                $allowed.into()
            }

            fn read(value: &Value) -> Result<Self, String> {
                parsed(value)
            }

            fn show(&self) -> Option<String> {
                Some(quote(&self.to_string()))
            }
        }
    )+};
}

by_text! {
    Size: "a size as \"32MiB\" (KiB, MiB, GiB, TiB; KB, MB, GB, TB) or a number of bytes";
    Rate: "a rate as \"20MiB/s\" or \"100Mbit/s\"";
    Sampling: "a duration as \"10s\", or \"off\"";
    Span: "a duration as \"30s\", \"5m\" or \"1h30m\"";
    Pattern: "a repository pattern as \"library/*\"";
    Endpoint: "a URL as \"https://ghcr.io\", without a path, a query or credentials";
    Hours: "a stretch of the day as \"22:00-07:00\"";
    Schedule: "a daily time as \"daily 03:00\"";
    Window: "a daily window as \"daily 02:00-05:00\"";
    LogLevel: "off, error, warn, info, debug or trace, and others for parts as \"info,access=off\"";
    UpstreamName: "a registry's host name as \"ghcr.io\", with its port if it has one";
    Mailbox: "an address as \"me@example.org\" or \"Larder <larder@example.org>\"";
    Template: "JSON in which {{title}}, {{text}}, {{severity}}, {{occasion}}, {{incident}} and {{key}} stand for a message's";
    Zone: "a time zone's name as \"Europe/Berlin\"";
    SocketAddr: "an address and a port as \"127.0.0.1:5000\" or \"[::]:5000\"";
}

impl Setting for String {
    fn allowed() -> String {
        "text".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        text(value)
    }

    fn show(&self) -> Option<String> {
        Some(quote(self))
    }
}

impl Setting for PathBuf {
    fn allowed() -> String {
        "a path".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        match text(value)? {
            empty if empty.is_empty() => Err("it is empty".into()),
            path => Ok(path.into()),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quote(&self.to_string_lossy()))
    }
}

impl Setting for bool {
    fn allowed() -> String {
        "true or false".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Bool(_, yes) => Ok(*yes),
            other => Err(format!("it is {}", describe(other))),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for u64 {
    fn allowed() -> String {
        "a whole number".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        text(value)?
            .parse()
            .map_err(|_| format!("it is {}", describe(value)))
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for Fraction {
    fn allowed() -> String {
        "a number above 0 and at most 1, as 0.93".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::Num(_, number) => number
                .to_f64()
                .or_else(|| value.to_i128().and_then(|n| u32::try_from(n).ok()).map(f64::from)),
            _ => None,
        };
        number
            .and_then(Fraction::new)
            .ok_or_else(|| format!("it is {}", describe(value)))
    }

    fn show(&self) -> Option<String> {
        Some(toml::Value::Float(self.get()).to_string())
    }
}

impl Setting for Secret {
    fn allowed() -> String {
        "text".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        // What was written is not repeated.
        text(value)
            .map(|text| Self::new(&text))
            .map_err(|_| "it is not text".into())
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Setting for Header {
    fn allowed() -> String {
        "a header as \"X-Token: abc\"".into()
    }

    fn read(value: &Value) -> Result<Self, String> {
        parsed(value)
    }

    // Its value may be a token.
    fn show(&self) -> Option<String> {
        None
    }
}

/// Empty text stands for nothing.
impl<T: Setting> Setting for Option<T> {
    fn allowed() -> String {
        format!("{}, or \"\" for none", T::allowed())
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(_, text) if text.is_empty() => Ok(None),
            value => T::read(value).map(Some),
        }
    }

    fn show(&self) -> Option<String> {
        self.as_ref().map_or_else(|| Some(quote("")), T::show)
    }
}

impl<T: Setting> Setting for Limit<T> {
    fn allowed() -> String {
        format!("\"auto\", or {}", T::allowed())
    }

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(_, text) if text == "auto" => Ok(Self::Auto),
            value => T::read(value).map(Self::At),
        }
    }

    fn show(&self) -> Option<String> {
        match self {
            Self::Auto => Some(quote("auto")),
            Self::At(value) => value.show(),
        }
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn allowed() -> String {
        format!("a list in brackets, each {}", T::allowed())
    }

    fn read(value: &Value) -> Result<Self, String> {
        let Value::Array(_, items) = value else {
            return Err(format!("it is {}, not a list", describe(value)));
        };
        items.iter().map(T::read).collect()
    }

    fn show(&self) -> Option<String> {
        let items: Option<Vec<String>> = self.iter().map(T::show).collect();
        items.map(|items| format!("[{}]", items.join(", ")))
    }
}

/// A setting that is one of a few words: the type, and each word with its value.
macro_rules! words {
    ($kind:ident { $($word:literal => $variant:ident),+ $(,)? }) => {
        impl $crate::config::setting::Setting for $kind {
            fn allowed() -> String {
                [$(concat!("\"", $word, "\"")),+].join(", ")
            }

            fn read(value: &figment::value::Value) -> Result<Self, String> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err(format!("it is {}", $crate::config::setting::describe(value))),
                }
            }

            fn show(&self) -> Option<String> {
                Some($crate::config::setting::quote(self.as_str()))
            }
        }

        impl $kind {
            /// As it is written in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

pub(super) use words;
