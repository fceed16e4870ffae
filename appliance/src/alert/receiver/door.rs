//! Whether anybody is there, without saying anything.
//!
//! In an outage of the line a message could only say that it lasts. One that comes a moment after its end is more use:
//! therefore whoever waits for the end looks first whether there is a way. Promises: nothing is said, and it ends by the
//! deadline. Must not know: messages, and what is made of the answer.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;

use super::{Delivered, Gathers, Reach, Receiver, Undelivered};
use crate::{
    alert::Message,
    config::ServiceUrl,
    dial::{Connector, Origin, Scheme},
};

/// A receiver, and the door that it is behind.
pub(super) struct Behind {
    pub(super) receiver: Box<dyn Receiver>,
    pub(super) door: Option<Door>,
}

/// Where connections are taken.
pub(super) struct Door {
    connector: Connector,
    origin: Origin,
    deadline: Duration,
}

impl Door {
    /// What takes no connections (a socket of this box, datagrams) has no door.
    pub(super) fn of(url: &ServiceUrl, connector: Connector, deadline: Duration) -> Option<Self> {
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "udp" | "unix" => return None,
            // That somebody is there is enough.
            _ => Scheme::Http,
        };
        let origin = Origin {
            scheme,
            host: url.host().to_owned(),
            port: url.port(),
        };
        Some(Self {
            connector,
            origin,
            deadline,
        })
    }

    async fn knock(&self) -> Reach {
        match timeout(self.deadline, self.connector.open(&self.origin)).await {
            Ok(Ok(_)) => Reach::Open,
            Ok(Err(_)) | Err(_) => Reach::Shut,
        }
    }
}

impl Receiver for Behind {
    fn gathers(&self) -> Gathers {
        self.receiver.gathers()
    }

    fn reach(&self) -> BoxFuture<'_, Reach> {
        async move {
            match &self.door {
                Some(door) => door.knock().await,
                None => Reach::Unknown,
            }
        }
        .boxed()
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.receiver.send(message)
    }
}
