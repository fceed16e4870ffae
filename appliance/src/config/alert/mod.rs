//! `[alert]`: who is told of what, and when not to wake them.
//!
//! - `receiver`: `[[alert.receiver]]` · `kinds`: which settings each kind has · `address`: where one is
//! - `rule`: `[[alert.rule]]`, on top of the built-in ones · `template`: a body in an owner's own words
//!
//! Promises: every rule can be judged, and every receiver has all that it needs to be reached; what may hold a token does
//! not show. Must not know: who judges, how messages are sent.

mod address;
mod kinds;
mod receiver;
mod rule;
mod template;
mod words;

use std::time::Duration;

use jiff::tz::TimeZone;

pub use address::{InvalidAddress, ServiceUrl};
pub use receiver::{
    Discord, Frequency, Header, Matrix, Mqtt, Ntfy, PagerDuty, Protection, ReceiverConfig, ReceiverKind,
    Slack, Smtp, Syslog, Telegram, Way, Webhook,
};
pub use template::{Field, InvalidTemplate, Template};
pub use words::{InvalidZone, Zone};

use super::{Hours, Sampling, Span, fetch::positive, files::secret, reader::Section};
use crate::rule::Rule;

/// Where incidents are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertConfig {
    /// Messages that can wait are held back in these hours.
    pub quiet_hours: Option<Hours>,
    /// In which those hours are counted; `None`: the system's.
    time_zone: Option<Zone>,
    /// An incident is not told for so long, so that a deeper fault can be found.
    pub settle: Duration,
    pub heartbeat: Option<HeartbeatConfig>,
    pub receivers: Vec<ReceiverConfig>,
    /// The built-in ones as they were changed, and the owner's own.
    pub rules: Vec<Rule>,
}

/// Who is called while all is well, so that somebody notices when no more calls come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatConfig {
    pub url: ServiceUrl,
    pub every: Duration,
}

impl AlertConfig {
    pub fn zone(&self) -> TimeZone {
        match &self.time_zone {
            Some(zone) => zone.zone().clone(),
            None => TimeZone::system(),
        }
    }
}

/// `sampling`: whether the box knows how it is; nothing, when that could not be read.
pub(super) fn read(s: &Section<'_>, sampling: Option<Sampling>) -> Option<AlertConfig> {
    let quiet_hours = s.read::<Option<Hours>>("quiet_hours");
    let time_zone = s.read::<Option<Zone>>("time_zone");
    let settle = s.read::<Span>("settle");
    let heartbeat = heartbeat(s, sampling);
    let receivers = s.each("receiver", |s| kinds::read(s, quiet_hours.flatten()));
    let rules = rule::read(s);
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
        time_zone: time_zone?,
        settle: settle?.duration(),
        heartbeat: heartbeat?,
        receivers,
        rules: rules?,
    })
}

fn heartbeat(s: &Section<'_>, sampling: Option<Sampling>) -> Option<Option<HeartbeatConfig>> {
    let every = positive(s, "heartbeat_every");
    let Some(url) = secret(s, "heartbeat_url", "heartbeat_url_file")? else {
        every?;
        return Some(None);
    };
    let url = address::parse(s, "heartbeat_url", &url, address::HTTP);
    if sampling == Some(Sampling::Off) {
        s.refuse(
            "heartbeat_url",
            "while `monitor.interval` is \"off\" the box never knows itself to be well, so that nobody would be called",
            Some("no heartbeat, or an interval".into()),
            "leave it out, or let the box look after itself",
        );
        return None;
    }
    Some(Some(HeartbeatConfig {
        url: url?,
        every: every?,
    }))
}
