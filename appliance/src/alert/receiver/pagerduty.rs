//! PagerDuty, Events API v2: an incident here is an incident there, by `dedup_key`.

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{
    Delivered, Gathers, Undelivered,
    http::{Call, Http},
    text::{cut, moment},
};
use crate::{
    alert::{Message, Told},
    config::PagerDuty,
};

/// What PagerDuty takes at most.
const LONGEST_SUMMARY: usize = 1024;
const LONGEST: usize = 10_000;

pub(super) struct Receiver {
    way: PagerDuty,
    host: String,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: PagerDuty, host: &str, http: Http) -> Self {
        Self {
            way,
            host: host.to_owned(),
            http,
        }
    }

    async fn enqueue(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let dedup_key = match message.incident {
            Some(id) => format!("larder-{}-incident-{}", self.host, id.0),
            None => message.key.clone(),
        };
        let action = match message.occasion {
            Told::Resolved => "resolve",
            Told::Fired | Told::Reminder | Told::Digest | Told::Test => "trigger",
        };
        let body = json!({
            "routing_key": self.way.key.expose(),
            "event_action": action,
            "dedup_key": cut(&dedup_key, 255),
            "client": "Larder",
            "payload": {
                "summary": cut(&message.title, LONGEST_SUMMARY),
                "source": self.host,
                "severity": message.severity.word(),
                "timestamp": moment(message.at),
                "custom_details": {"text": cut(&message.text, LONGEST)},
            },
        });
        let mut call = Call::json(&self.way.url, &body).below("/v2/enqueue");
        call.hide.push(&self.way.key);
        self.http.send(call).await.map(|()| Delivered)
    }
}

impl super::Receiver for Receiver {
    /// A digest could neither open nor close what is there.
    fn gathers(&self) -> Gathers {
        Gathers::Incidents
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.enqueue(message).boxed()
    }
}
