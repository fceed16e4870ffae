//! `[[alert.receiver]]` as it is read: which settings each kind has, and which of them it needs.

use lettre::message::Mailbox;

use super::{
    address::{self, Schemes, ServiceUrl, allowed},
    receiver::{
        Discord, Frequency, Header, Matrix, Mqtt, Ntfy, PagerDuty, Protection, ReceiverConfig, ReceiverKind,
        Slack, Smtp, Syslog, Telegram, Way, Webhook,
    },
    template::Template,
};
use crate::{
    config::{
        Hours, Secret, Span,
        files::{readable_if_set, secret},
        reader::Section,
    },
    rule::Severity,
};

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
    let rate = rate(s);
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
        rate: rate?,
        ca_file: ca_file?,
        way: way?,
    })
}

fn rate(s: &Section<'_>) -> Option<Frequency> {
    let apart = s.optional::<Span>("apart");
    let per_hour = s.optional::<u64>("per_hour");
    let usual = Frequency::default();
    let per_hour = match per_hour? {
        None => usual.per_hour,
        Some(number) => match usize::try_from(number) {
            Ok(number @ 1..=Frequency::MOST) => number,
            _ => {
                let allowed = format!("a number from 1 to {}", Frequency::MOST);
                s.refuse(
                    "per_hour",
                    "nobody could be told, or everybody all the time",
                    Some(allowed),
                    "change it, or leave the key out",
                );
                return None;
            }
        },
    };
    Some(Frequency {
        apart: apart?.map_or(usual.apart, Span::duration),
        per_hour,
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
