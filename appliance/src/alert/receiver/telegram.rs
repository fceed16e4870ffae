//! Telegram: a bot that writes into a chat.

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

use super::{
    Delivered, Undelivered,
    http::{Call, Http},
    text::cut,
};
use crate::{
    alert::{Message, Told},
    config::Telegram,
    rule::Severity,
};

/// Less than the 4096 units of UTF-16 that Telegram takes.
const LONGEST: usize = 3500;

pub(super) struct Receiver {
    way: Telegram,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: Telegram, http: Http) -> Self {
        Self { way, http }
    }

    async fn post(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let way = &self.way;
        let is_quiet = message.occasion == Told::Resolved || message.severity == Severity::Info;
        let mut body = json!({
            "chat_id": chat(&way.chat),
            "text": cut(&format!("{}\n\n{}", message.title, message.text), LONGEST),
            "link_preview_options": {"is_disabled": true},
            "disable_notification": is_quiet,
        });
        if let Some(thread) = way.thread {
            body["message_thread_id"] = thread.into();
        }
        let mut call = Call::json(&way.url, &body).below(&format!("/bot{}/sendMessage", way.token.expose()));
        call.hide.push(&way.token);
        self.http.send(call).await.map(|()| Delivered)
    }
}

/// An id is a number, a channel's name is not.
fn chat(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.post(message).boxed()
    }
}
