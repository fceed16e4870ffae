//! A URL that takes JSON.
//!
//! The body is the whole message, or what the owner's template makes of it. `Idempotency-Key` names the message.

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::{
    Delivered, Undelivered,
    http::{Call, Http},
    text::plain,
};
use crate::{
    alert::Message,
    config::{Field, Webhook},
};

pub(super) struct Receiver {
    way: Webhook,
    http: Http,
}

impl Receiver {
    pub(super) fn new(way: Webhook, http: Http) -> Self {
        Self { way, http }
    }

    fn body(&self, message: &Message) -> String {
        let Some(template) = &self.way.template else {
            return json!(message).to_string();
        };
        template.render(|field| match field {
            Field::Title => message.title.clone(),
            Field::Text => message.text.clone(),
            Field::Severity => message.severity.word().to_owned(),
            Field::Occasion => message.occasion.word().to_owned(),
            Field::Incident => message
                .incident
                .map_or_else(|| "null".to_owned(), |id| id.0.to_string()),
            Field::Key => message.key.clone(),
        })
    }

    async fn post(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let mut call = Call::json(&self.way.url, &json!(null));
        call.body = self.body(message);
        if let Some(token) = &self.way.token {
            call = call.bearing(token);
        }
        if let Ok(key) = HeaderValue::try_from(plain(&message.key)) {
            call.headers
                .push((HeaderName::from_static("idempotency-key"), key));
        }
        for header in &self.way.headers {
            call.headers.push((header.name.clone(), header.value.clone()));
        }
        self.http.send(call).await.map(|()| Delivered)
    }
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.post(message).boxed()
    }
}
