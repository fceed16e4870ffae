//! MQTT 3.1.1: state that a broker keeps, and a last will as a dead man's switch.
//!
//! - [`topics`]: what is published where, and how Home Assistant finds it
//! - [`session`]: the connection that is held · [`packet`]: what goes over it
//!
//! Promises: a message has arrived when the broker has acknowledged all of it. Must not know: what an incident is.

mod packet;
mod session;
mod topics;

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use self::{
    session::{Order, Session},
    topics::Topics,
};
use super::{
    Delivered, Gathers,
    undelivered::{Attempt, Fault, Undelivered},
};
use crate::{
    alert::Message,
    config::Mqtt,
    dial::{Connector, Origin, Scheme},
};

pub(super) struct Receiver {
    topics: Topics,
    orders: mpsc::Sender<Order>,
    attempt: Attempt,
    deadline: Duration,
    /// With it the connection goes, and the broker says that the box is gone.
    _session: AbortOnDropHandle<()>,
}

impl Receiver {
    /// Begins to connect.
    pub(super) fn new(way: &Mqtt, host: &str, connector: Connector, deadline: Duration) -> Self {
        let topics = Topics::new(way, host);
        let attempt = Attempt {
            operation: "publish at",
            to: way.url.to_string(),
        };
        // One at a time is what a keeper sends.
        let (orders, taken) = mpsc::channel(1);
        let session = Session {
            connector,
            target: Origin {
                scheme: match way.url.scheme() {
                    "mqtts" => Scheme::Https,
                    _ => Scheme::Http,
                },
                host: way.url.host().to_owned(),
                port: way.url.port(),
            },
            credentials: way.credentials.clone(),
            topics: topics.clone(),
            attempt: attempt.clone(),
            deadline,
            orders: taken,
        };
        Self {
            topics,
            orders,
            attempt,
            deadline,
            _session: AbortOnDropHandle::new(tokio::spawn(session.run())),
        }
    }

    async fn publish(&self, message: &Message) -> Result<Delivered, Undelivered> {
        let (done, outcome) = oneshot::channel();
        let order = Order {
            publishes: self.topics.of(message),
            done,
        };
        let gone = || self.attempt.failed(Fault::Broken(None), "the connection ended");
        self.orders.send(order).await.map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?.map(|()| Delivered)
    }
}

impl super::Receiver for Receiver {
    /// Each incident has a topic of its own.
    fn gathers(&self) -> Gathers {
        Gathers::Incidents
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        self.attempt.within(self.deadline, self.publish(message)).boxed()
    }
}
