//! One who is told, and the settings of each kind: plain data, with nothing left to check.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use lettre::message::Mailbox;

use super::{address::ServiceUrl, template::Template};
use crate::{
    config::{Hours, Secret, setting::words},
    rule::Severity,
};

/// One who is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// Unique.
    pub name: String,
    /// Less than this is not for it.
    pub least: Severity,
    pub quiet_hours: Option<Hours>,
    pub rate: Frequency,
    /// A PEM file of authorities that are trusted here besides the usual ones.
    pub ca_file: Option<PathBuf>,
    pub way: Way,
}

/// How often it is told. What comes on top waits and goes as one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frequency {
    /// The least time between two messages.
    pub apart: Duration,
    /// The most messages in an hour; critical ones are not held back by it.
    pub per_hour: usize,
}

impl Frequency {
    /// The most that [`Frequency::per_hour`] can be.
    pub const MOST: usize = 60;
}

impl Default for Frequency {
    fn default() -> Self {
        Self {
            apart: Duration::from_secs(60),
            per_hour: 6,
        }
    }
}

/// How it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    Webhook(Webhook),
    Ntfy(Ntfy),
    Smtp(Smtp),
    Telegram(Telegram),
    Slack(Slack),
    Discord(Discord),
    Matrix(Matrix),
    PagerDuty(PagerDuty),
    Mqtt(Mqtt),
    Syslog(Syslog),
}

impl Way {
    /// Where it is.
    pub const fn url(&self) -> &ServiceUrl {
        match self {
            Self::Webhook(way) => &way.url,
            Self::Ntfy(way) => &way.url,
            Self::Smtp(way) => &way.url,
            Self::Telegram(way) => &way.url,
            Self::Slack(way) => &way.url,
            Self::Discord(way) => &way.url,
            Self::Matrix(way) => &way.url,
            Self::PagerDuty(way) => &way.url,
            Self::Mqtt(way) => &way.url,
            Self::Syslog(way) => &way.url,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub url: ServiceUrl,
    /// Sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    pub headers: Vec<Header>,
    /// Without one, the whole message as JSON.
    pub template: Option<Template>,
}

/// `url` ends with the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ntfy {
    pub url: ServiceUrl,
    pub token: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    pub url: ServiceUrl,
    pub credentials: Option<(String, Secret)>,
    pub from: Mailbox,
    /// At least one.
    pub to: Vec<Mailbox>,
    pub protection: Protection,
}

/// Whether mail may go over a connection that anybody can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    Required,
    /// Where the server offers none.
    Waived,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    pub url: ServiceUrl,
    pub token: Secret,
    pub chat: String,
    /// Of a group with topics.
    pub thread: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slack {
    pub url: ServiceUrl,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discord {
    pub url: ServiceUrl,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    pub url: ServiceUrl,
    pub token: Secret,
    pub room: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagerDuty {
    pub url: ServiceUrl,
    /// The integration key.
    pub key: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    pub url: ServiceUrl,
    pub credentials: Option<(String, Secret)>,
    /// Below which all topics are; without one, `larder/` and the host's name.
    pub topic: Option<String>,
    /// Where Home Assistant looks for what there is.
    pub discovery: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    pub url: ServiceUrl,
}

/// A header of HTTP. Its value may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    pub name: http::HeaderName,
    pub value: http::HeaderValue,
}

/// Not a header. It may hold a secret and is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of them is no header")]
pub struct InvalidHeader;

impl FromStr for Header {
    type Err = InvalidHeader;

    fn from_str(text: &str) -> Result<Self, InvalidHeader> {
        let (name, value) = text.split_once(':').ok_or(InvalidHeader)?;
        let mut value: http::HeaderValue = value.trim().parse().map_err(|_| InvalidHeader)?;
        value.set_sensitive(true);
        Ok(Self {
            name: name.trim().parse().map_err(|_| InvalidHeader)?,
            value,
        })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}: …)", self.name)
    }
}

/// Which of them, without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    Webhook,
    Ntfy,
    Smtp,
    Telegram,
    Slack,
    Discord,
    Matrix,
    PagerDuty,
    Mqtt,
    Syslog,
}

words!(ReceiverKind {
    "webhook" => Webhook,
    "ntfy" => Ntfy,
    "smtp" => Smtp,
    "telegram" => Telegram,
    "slack" => Slack,
    "discord" => Discord,
    "matrix" => Matrix,
    "pagerduty" => PagerDuty,
    "mqtt" => Mqtt,
    "syslog" => Syslog,
});

impl Way {
    pub const fn kind(&self) -> ReceiverKind {
        match self {
            Self::Webhook(_) => ReceiverKind::Webhook,
            Self::Ntfy(_) => ReceiverKind::Ntfy,
            Self::Smtp(_) => ReceiverKind::Smtp,
            Self::Telegram(_) => ReceiverKind::Telegram,
            Self::Slack(_) => ReceiverKind::Slack,
            Self::Discord(_) => ReceiverKind::Discord,
            Self::Matrix(_) => ReceiverKind::Matrix,
            Self::PagerDuty(_) => ReceiverKind::PagerDuty,
            Self::Mqtt(_) => ReceiverKind::Mqtt,
            Self::Syslog(_) => ReceiverKind::Syslog,
        }
    }
}
