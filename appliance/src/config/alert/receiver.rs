//! `[[alert.receiver]]`: one who is told, and the settings of each kind.

use std::{fmt, path::PathBuf, str::FromStr};

use lettre::message::Mailbox;

use super::{
    address::{self, Schemes, ServiceUrl, allowed},
    template::Template,
};
use crate::{
    config::{
        Hours, Secret,
        files::{readable_if_set, secret},
        reader::Section,
        setting::words,
    },
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
    /// A PEM file of authorities that are trusted here besides the usual ones.
    pub ca_file: Option<PathBuf>,
    pub way: Way,
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

/// `quiet` are the hours that hold unless it has its own.
pub(super) fn read(s: &Section<'_>, quiet: Option<Hours>) -> Option<ReceiverConfig> {
    let name = s.read::<String>("name");
    let kind = s.read::<ReceiverKind>("kind");
    let least = s.optional::<Severity>("severity");
    let quiet_hours = s.optional::<Option<Hours>>("quiet_hours");
    let Some(kind) = kind else {
        // Which other settings there are is not known without it.
        s.pass_over();
        return None;
    };
    let ca_file = readable_if_set(s, "ca_file");
    let way = match kind {
        ReceiverKind::Webhook => webhook(s),
        ReceiverKind::Ntfy => ntfy(s),
        ReceiverKind::Smtp => smtp(s),
        ReceiverKind::Telegram => telegram(s),
        ReceiverKind::Slack => url(s, kind, address::HTTP).map(|url| Way::Slack(Slack { url })),
        ReceiverKind::Discord => url(s, kind, address::HTTP).map(|url| Way::Discord(Discord { url })),
        ReceiverKind::Matrix => matrix(s),
        ReceiverKind::PagerDuty => pagerduty(s),
        ReceiverKind::Mqtt => mqtt(s),
        ReceiverKind::Syslog => url(s, kind, address::SYSLOG).map(|url| Way::Syslog(Syslog { url })),
    };
    Some(ReceiverConfig {
        name: name?,
        least: least?.unwrap_or(Severity::Info),
        quiet_hours: quiet_hours?.unwrap_or(quiet),
        ca_file: ca_file?,
        way: way?,
    })
}

fn webhook(s: &Section<'_>) -> Option<Way> {
    let url = url(s, ReceiverKind::Webhook, address::HTTP);
    let token = secret(s, "token", "token_file");
    let headers = s.optional::<Vec<Header>>("headers");
    let template = s.optional::<Option<Template>>("template");
    Some(Way::Webhook(Webhook {
        url: url?,
        token: token?,
        headers: headers?.unwrap_or_default(),
        template: template?.flatten(),
    }))
}

fn ntfy(s: &Section<'_>) -> Option<Way> {
    let url = url(s, ReceiverKind::Ntfy, address::HTTP);
    let token = secret(s, "token", "token_file");
    let url = url?;
    let topic = url.path().rsplit('/').next().unwrap_or_default();
    if topic.is_empty() || url.path().contains('?') {
        let allowed = "the server and the topic, as `https://ntfy.sh/my-boxes`";
        s.refuse(
            "url",
            "it does not end with a topic",
            Some(allowed.into()),
            "add it",
        );
        return None;
    }
    Some(Way::Ntfy(Ntfy { url, token: token? }))
}

fn smtp(s: &Section<'_>) -> Option<Way> {
    let url = url(s, ReceiverKind::Smtp, address::SMTP);
    let credentials = credentials(s);
    let from = s.read::<Mailbox>("from");
    let to = s.read::<Vec<Mailbox>>("to");
    let insecure = s.optional::<bool>("insecure");
    let to = to?;
    if to.is_empty() {
        let allowed = "at least one address, as [\"me@example.org\"]";
        s.refuse("to", "the list is empty", Some(allowed.into()), "add one");
        return None;
    }
    let protection = if insecure? == Some(true) {
        Protection::Waived
    } else {
        Protection::Required
    };
    Some(Way::Smtp(Smtp {
        url: url?,
        credentials: credentials?,
        from: from?,
        to,
        protection,
    }))
}

fn telegram(s: &Section<'_>) -> Option<Way> {
    let url = url_or(s, "https://api.telegram.org");
    let token = needed(s, "token", "token_file");
    let chat = s.read::<String>("chat");
    let thread = s.optional::<u64>("thread");
    Some(Way::Telegram(Telegram {
        url: url?,
        token: token?,
        chat: chat?,
        thread: thread?,
    }))
}

fn matrix(s: &Section<'_>) -> Option<Way> {
    let url = url(s, ReceiverKind::Matrix, address::HTTP);
    let token = needed(s, "token", "token_file");
    let room = s.read::<String>("room")?;
    if !room.starts_with('!') {
        let allowed = "the room's id, as \"!abc:example.org\"; a client shows it in the room's settings";
        s.refuse(
            "room",
            &format!("\"{room}\" is not an id"),
            Some(allowed.into()),
            "put the id there",
        );
        return None;
    }
    Some(Way::Matrix(Matrix {
        url: url?,
        token: token?,
        room,
    }))
}

fn pagerduty(s: &Section<'_>) -> Option<Way> {
    let url = url_or(s, "https://events.pagerduty.com");
    let key = needed(s, "key", "key_file");
    Some(Way::PagerDuty(PagerDuty { url: url?, key: key? }))
}

fn mqtt(s: &Section<'_>) -> Option<Way> {
    let url = url(s, ReceiverKind::Mqtt, address::MQTT);
    let credentials = credentials(s);
    let topic = topic(s, "topic");
    let discovery = topic_or(s, "discovery", "homeassistant");
    Some(Way::Mqtt(Mqtt {
        url: url?,
        credentials: credentials?,
        topic: topic?.flatten(),
        discovery: discovery?,
    }))
}

fn topic_or(s: &Section<'_>, key: &'static str, default: &str) -> Option<Option<String>> {
    Some(topic(s, key)?.unwrap_or_else(|| Some(default.to_owned())))
}

/// A topic that messages can be sent to; nothing inside when it is empty.
fn topic(s: &Section<'_>, key: &'static str) -> Option<Option<Option<String>>> {
    let topic = s.optional::<Option<String>>(key)?;
    if let Some(Some(text)) = &topic
        && (text.contains(['+', '#', '\0'])
            || text.starts_with(['/', '$'])
            || text.ends_with('/')
            || text.len() > 200)
    {
        let allowed = "words with slashes between them, without `+` and `#`, as \"home/larder\"";
        s.refuse(key, "nothing can be sent there", Some(allowed.into()), "mend it");
        return None;
    }
    Some(topic)
}

fn credentials(s: &Section<'_>) -> Option<Option<(String, Secret)>> {
    let username = s.optional::<Option<String>>("username").map(Option::flatten);
    let password = secret(s, "password", "password_file");
    match (username?, password?) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => Some(Some((username, password))),
        (given, _) => {
            let lacks = if given.is_some() { "password" } else { "name" };
            let reason = format!("there is no {lacks} with it");
            s.refuse(
                "username",
                &reason,
                None,
                "set `username` and `password_file`, or neither",
            );
            None
        }
    }
}

fn needed(s: &Section<'_>, key: &'static str, file_key: &'static str) -> Option<Secret> {
    let found = secret(s, key, file_key)?;
    if found.is_none() {
        let remedy = format!("set `{file_key}`, or `{key}`");
        s.refuse(key, "it is missing", Some("text".into()), &remedy);
    }
    found
}

fn url(s: &Section<'_>, kind: ReceiverKind, schemes: Schemes) -> Option<ServiceUrl> {
    let Some(text) = secret(s, "url", "url_file")? else {
        s.refuse(
            "url",
            "it is missing",
            Some(format!("for {}: {}", kind.as_str(), allowed(schemes))),
            "set `url`, or `url_file` to keep it out of this file",
        );
        return None;
    };
    address::parse(s, "url", &text, schemes)
}

/// The address of a service that is the same for all, or another one for those who run it themselves.
fn url_or(s: &Section<'_>, default: &str) -> Option<ServiceUrl> {
    let text = secret(s, "url", "url_file")?.unwrap_or_else(|| Secret::new(default));
    address::parse(s, "url", &text, address::HTTP)
}
