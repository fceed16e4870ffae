//! Those who are told, and how each of them is told.
//!
//! | file | what |
//! |---|---|
//! | [`line`] | what they all send over · [`undelivered`] why a message did not arrive |
//! | [`http`] | one request to a service · [`text`] texts that have to be short |
//! | [`webhook`], [`ntfy`], [`telegram`], [`slack`], [`discord`], [`matrix`], [`pagerduty`] | services over HTTP |
//! | [`smtp`], [`mqtt`], [`syslog`] | what has a protocol of its own |
//! | [`door`] | whether anybody is there |
//! | [`heartbeat`] | one who is called while all is well, so that silence is noticed |
//!
//! # Promises
//! 1. [`Receiver::send`] ends by its deadline, whatever the other side does.
//! 2. A message that may have arrived or not counts as not delivered. It has the same name when it is sent again, so
//!    that a receiver who knows names keeps one of them.
//! 3. Secrets go to the host that was configured and nowhere else: no redirect is followed, and no error repeats them.
//!
//! Must not know: incidents and rules, when a message is due, where it is kept meanwhile.

mod discord;
mod door;
mod heartbeat;
mod http;
mod line;
mod matrix;
mod mqtt;
mod ntfy;
mod pagerduty;
mod slack;
mod smtp;
mod syslog;
mod telegram;
mod text;
mod undelivered;
mod webhook;

use futures_util::{FutureExt as _, future::BoxFuture};

pub use heartbeat::{Heartbeat, Wellbeing};
pub use line::{Line, Unusable};
pub use undelivered::{Fault, RARELY, Retry, Undelivered};

use super::Message;
use crate::config::{ReceiverConfig, Way};

/// One who is told.
pub trait Receiver: Send + Sync {
    /// How several letters that are due at once are to be put into messages.
    fn gathers(&self) -> Gathers {
        Gathers::Digests
    }

    /// Whether anybody is there. Says nothing; ends by a deadline of its own.
    fn reach(&self) -> BoxFuture<'_, Reach> {
        std::future::ready(Reach::Unknown).boxed()
    }

    /// Sends a message. Ends by a deadline of its own; may be dropped at any time, and called again with the same.
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>>;
}

/// Whether a connection to a receiver comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Open,
    Shut,
    /// That cannot be known without sending something.
    Unknown,
}

/// What a receiver makes of several letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathers {
    /// It is read by people: one message for all.
    Digests,
    /// It keeps incidents itself: one message for each incident.
    Incidents,
}

/// It has arrived, as far as that can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered;

/// Makes a receiver of its settings, within a runtime: one of MQTT begins to connect at once, and throws out any other
/// client of its topic. `host` is how this box is called in messages.
pub fn open(config: &ReceiverConfig, host: &str, line: &Line) -> Result<Box<dyn Receiver>, Unusable> {
    let trust = line::Trust {
        whose: format!("the receiver \"{}\"", config.name),
        ca_file: config.ca_file.as_deref(),
    };
    let connector = match config.way.url().scheme() {
        "http" | "https" => line.towards(&trust)?,
        _ => line.direct(&trust)?,
    };
    let door = door::Door::of(config.way.url(), connector, line.deadline());
    let receiver: Box<dyn Receiver> = match &config.way {
        Way::Webhook(way) => Box::new(webhook::Receiver::new(way.clone(), line.http(&trust)?)),
        Way::Ntfy(way) => Box::new(ntfy::Receiver::new(way.clone(), line.http(&trust)?)),
        Way::Telegram(way) => Box::new(telegram::Receiver::new(way.clone(), line.http(&trust)?)),
        Way::Slack(way) => Box::new(slack::Receiver::new(way.clone(), line.http(&trust)?)),
        Way::Discord(way) => Box::new(discord::Receiver::new(way.clone(), line.http(&trust)?)),
        Way::Matrix(way) => Box::new(matrix::Receiver::new(way.clone(), line.http(&trust)?)),
        Way::PagerDuty(way) => Box::new(pagerduty::Receiver::new(way.clone(), host, line.http(&trust)?)),
        Way::Smtp(way) => Box::new(smtp::Receiver::new(
            way.clone(),
            host,
            line.direct(&trust)?,
            line.deadline(),
        )),
        Way::Mqtt(way) => Box::new(mqtt::Receiver::new(
            way,
            host,
            line.direct(&trust)?,
            line.deadline(),
        )),
        Way::Syslog(way) => Box::new(syslog::Receiver::new(
            way.clone(),
            host,
            line.direct(&trust)?,
            line.deadline(),
        )),
    };
    Ok(Box::new(door::Behind { receiver, door }))
}

#[cfg(test)]
mod tests;
