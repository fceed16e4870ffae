//! Discord: a channel's webhook.

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::json;

use super::{
    Delivered, Undelivered,
    http::{Call, Http},
    text::{colour, cut},
};
use crate::{alert::Message, config::Discord};

/// What Discord takes at most.
const LONGEST_TITLE: usize = 256;
const LONGEST: usize = 4000;

pub(super) struct Receiver {
    way: Discord,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: Discord, http: Http) -> Self {
        Self { way, http }
    }

    async fn post(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let body = json!({
            "embeds": [{
                "title": cut(&message.title, LONGEST_TITLE),
                "description": cut(&message.text, LONGEST),
                "color": colour(message),
            }],
            // A disk called `@everyone` wakes nobody.
            "allowed_mentions": {"parse": []},
        });
        self.http
            .send(Call::json(&self.way.url, &body))
            .await
            .map(|()| Delivered)
    }
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.post(message).boxed()
    }
}
