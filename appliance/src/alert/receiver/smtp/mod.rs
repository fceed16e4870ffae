//! Mail.
//!
//! - `letter`: what is written · `start`: a conversation until it is encrypted · lettre: the rest of it
//!
//! Promises: mail and password go over an encrypted connection, unless the owner waived that and the server offers none;
//! all mail of one incident is one thread. Must not know: what an incident is.

mod letter;
mod start;

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    extension::ClientId,
};

use self::start::begin;
use super::{
    Delivered,
    text::plain,
    undelivered::{Attempt, Fault, Undelivered},
};
use crate::{alert::Message, config::Smtp, dial::Connector, source::chain};

/// In the order of preference.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

pub(super) struct Receiver {
    way: Smtp,
    /// How this box calls itself.
    host: String,
    connector: Connector,
    deadline: Duration,
}

impl Receiver {
    pub(super) fn new(way: Smtp, host: &str, connector: Connector, deadline: Duration) -> Self {
        Self {
            way,
            host: plain(host),
            connector,
            deadline,
        }
    }

    async fn mail(&self, attempt: &Attempt, message: &Message) -> Result<Delivered, Undelivered> {
        let letter = letter::write(&self.way, &self.host, message)
            .map_err(|error| attempt.failed(Fault::Misconfigured, chain(&error)))?;
        let stream = begin(&self.connector, &self.way, &self.host, attempt).await?;
        let told = |error: Error| attempt.failed(fault(&error), chain(&error));
        let name = ClientId::Domain(self.host.clone());
        let mut server = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &name)
            .await
            .map_err(told)?;
        if let Some((username, password)) = &self.way.credentials {
            let credentials = Credentials::new(username.clone(), password.expose().to_owned());
            server.auth(MECHANISMS, &credentials).await.map_err(told)?;
        }
        server
            .send(letter.envelope(), &letter.formatted())
            .await
            .map_err(told)?;
        // It has been taken; how the conversation ends does not matter.
        let _ = server.quit().await;
        Ok(Delivered)
    }
}

fn fault(error: &Error) -> Fault {
    if error.is_permanent() || error.is_client() {
        Fault::Misconfigured
    } else if error.is_timeout() {
        Fault::Silent
    } else {
        Fault::Broken(None)
    }
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        async move {
            let attempt = Attempt {
                operation: "send mail through",
                to: self.way.url.to_string(),
            };
            attempt.within(self.deadline, self.mail(&attempt, message)).await
        }
        .boxed()
    }
}
