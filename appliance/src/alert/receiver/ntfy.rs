//! ntfy: a topic that phones listen to. Published as JSON, which takes any letters, to the server above the topic.

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{
    Delivered, Undelivered,
    http::{Call, Http},
    text::cut_bytes,
};
use crate::{
    alert::{Message, Told},
    config::Ntfy,
    rule::Severity,
};

/// Longer texts become attachments.
const LONGEST: usize = 3800;

pub(super) struct Receiver {
    way: Ntfy,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: Ntfy, http: Http) -> Self {
        Self { way, http }
    }

    async fn publish(&self, message: &Message) -> Result<Delivered, Undelivered> {
        // The configuration has seen to it that there is a topic.
        let (server, topic) = self.way.url.expose().rsplit_once('/').unwrap_or_default();
        let body = json!({
            "topic": topic,
            "title": message.title,
            "message": cut_bytes(&message.text, LONGEST),
            "priority": priority(message),
            "tags": [tag(message)],
        });
        let mut call = Call::json(&self.way.url, &body);
        call.url = format!("{server}/");
        if let Some(token) = &self.way.token {
            call = call.bearing(token);
        }
        self.http.send(call).await.map(|()| Delivered)
    }
}

/// 5 rings through, 3 is usual, 2 makes no sound.
const fn priority(message: &Message) -> u8 {
    match (message.occasion, message.severity) {
        (Told::Resolved, _) => 2,
        (Told::Test, _) => 3,
        (Told::Reminder, Severity::Critical) => 4,
        (_, Severity::Critical) => 5,
        (_, Severity::Warning) => 4,
        (_, Severity::Info) => 3,
    }
}

/// What ntfy shows as a small picture.
const fn tag(message: &Message) -> &'static str {
    match (message.occasion, message.severity) {
        (Told::Resolved, _) => "white_check_mark",
        (Told::Test, _) => "wave",
        (_, Severity::Critical) => "rotating_light",
        (_, Severity::Warning) => "warning",
        (_, Severity::Info) => "information_source",
    }
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.publish(message).boxed()
    }
}
