//! Slack: an incoming webhook. Mattermost and Rocket.Chat take the same.

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{
    Delivered, Undelivered,
    http::{Call, Http},
    text::{colour, cut},
};
use crate::{alert::Message, config::Slack};

/// Longer texts are folded up, or refused.
const LONGEST: usize = 3500;

pub(super) struct Receiver {
    way: Slack,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: Slack, http: Http) -> Self {
        Self { way, http }
    }

    async fn post(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let body = json!({
            "text": escaped(&message.title),
            "attachments": [{
                "color": format!("#{:06x}", colour(message)),
                "text": escaped(&cut(&message.text, LONGEST)),
                "fallback": escaped(&message.title),
                "ts": message.at.0,
            }],
        });
        self.http
            .send(Call::json(&self.way.url, &body))
            .await
            .map(|()| Delivered)
    }
}

/// The three letters that mean something to Slack.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.post(message).boxed()
    }
}
