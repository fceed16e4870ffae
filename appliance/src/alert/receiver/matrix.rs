//! Matrix: a message in a room. The transaction's id is the message's key, so that a server keeps one of two.

use futures_util::{FutureExt, future::BoxFuture};
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{
    Delivered, Undelivered,
    http::{Call, Http},
    text::cut,
};
use crate::{
    alert::{Message, Told},
    config::Matrix,
};

/// An event has at most 64 KiB.
const LONGEST: usize = 10_000;

pub(super) struct Receiver {
    way: Matrix,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: Matrix, http: Http) -> Self {
        Self { way, http }
    }

    async fn put(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let path = format!(
            "/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
            encoded(&self.way.room),
            encoded(&message.key)
        );
        // Clients ring for texts and not for notices.
        let kind = match message.occasion {
            Told::Resolved => "m.notice",
            _ => "m.text",
        };
        let body = json!({
            "msgtype": kind,
            "body": cut(&format!("{}\n\n{}", message.title, message.text), LONGEST),
        });
        let mut call = Call::json(&self.way.url, &body)
            .below(&path)
            .bearing(&self.way.token);
        call.method = Method::PUT;
        self.http.send(call).await.map(|()| Delivered)
    }
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.put(message).boxed()
    }
}
