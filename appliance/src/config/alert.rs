//! `[alert]`: who is told, and when not to wake them.

use super::{Hours, Secret, files::secret, reader::Section, setting::words};

/// Where incidents are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertConfig {
    /// Messages that can wait are held back in these hours.
    pub quiet_hours: Option<Hours>,
    pub receivers: Vec<ReceiverConfig>,
}

/// `[[alert.receiver]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// Unique.
    pub name: String,
    pub kind: ReceiverKind,
    /// Many services put their token into it, so it is a secret.
    pub url: Secret,
}

/// How a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverKind {
    Webhook,
    Ntfy,
    Smtp,
    Telegram,
    Slack,
    Discord,
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
    "mqtt" => Mqtt,
    "syslog" => Syslog,
});

impl ReceiverKind {
    const fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Webhook | Self::Ntfy | Self::Telegram | Self::Slack | Self::Discord => &["https", "http"],
            Self::Smtp => &["smtps", "smtp"],
            Self::Mqtt => &["mqtts", "mqtt"],
            Self::Syslog => &["udp", "tcp", "unix"],
        }
    }
}

pub(super) fn read(s: &Section<'_>) -> Option<AlertConfig> {
    let quiet_hours = s.read("quiet_hours");
    let receivers = s.each("receiver", receiver);
    let twice = receivers
        .iter()
        .enumerate()
        .find(|(index, one)| receivers[..*index].iter().any(|other| other.name == one.name));
    if let Some((_, one)) = twice {
        let reason = format!("two are called \"{}\"", one.name);
        s.refuse(
            "receiver",
            &reason,
            Some("a `name` of its own for each".into()),
            "rename one",
        );
        return None;
    }
    Some(AlertConfig {
        quiet_hours: quiet_hours?,
        receivers,
    })
}

fn receiver(s: &Section<'_>) -> Option<ReceiverConfig> {
    let name = s.read::<String>("name");
    let kind = s.read::<ReceiverKind>("kind");
    let url = secret(s, "url", "url_file");
    let (name, kind) = (name?, kind?);
    let allowed = || {
        let schemes: Vec<String> = kind
            .schemes()
            .iter()
            .map(|scheme| format!("`{scheme}://…`"))
            .collect();
        Some(format!("for {}: {}", kind.as_str(), schemes.join(", ")))
    };
    let Some(url) = url? else {
        s.refuse(
            "url",
            "it is missing",
            allowed(),
            "set `url`, or `url_file` to keep it out of this file",
        );
        return None;
    };
    let fits = url
        .expose()
        .split_once("://")
        .is_some_and(|(scheme, rest)| kind.schemes().contains(&scheme) && !rest.is_empty());
    if !fits {
        s.refuse("url", "it is not a URL for this kind", allowed(), "mend it");
        return None;
    }
    Some(ReceiverConfig { name, kind, url })
}
