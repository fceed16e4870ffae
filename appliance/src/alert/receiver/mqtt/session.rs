//! The connection to a broker, which is held so that the broker notices when the box is gone.
//!
//! Promises: what waits is answered as soon as it is known that it did not arrive, also when there is no connection; a
//! broker that says nothing for [`KEEP_ALIVE`] is left; a lost connection is made anew, after pauses that grow, or at once
//! when there is something to say. Must not know: messages.

use std::{collections::BTreeSet, io, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::{Instant, interval_at, sleep, timeout},
};

use super::{
    packet::{self, Connect, PING, Packet, Publish},
    topics::{Open, Topics},
};
use crate::{
    alert::receiver::undelivered::{Attempt, Fault, Undelivered},
    backoff::Backoff,
    config::Secret,
    dial::{Connector, Origin},
};

/// After one and a half of it the broker takes the box for gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Something to be published, and who waits until it has arrived.
pub(super) struct Order {
    pub(super) publishes: Vec<Publish>,
    pub(super) done: oneshot::Sender<Result<(), Undelivered>>,
}

pub(super) struct Session {
    pub(super) connector: Connector,
    pub(super) target: Origin,
    pub(super) credentials: Option<(String, Secret)>,
    pub(super) topics: Topics,
    pub(super) attempt: Attempt,
    pub(super) deadline: Duration,
    pub(super) orders: mpsc::Receiver<Order>,
}

/// What is said to a broker.
struct Talk<W> {
    writer: W,
    deadline: Duration,
    number: u16,
}

/// An order on its way, and the numbers that are not acknowledged yet.
struct Sent {
    numbers: BTreeSet<u16>,
    done: oneshot::Sender<Result<(), Undelivered>>,
}

impl Session {
    /// Goes on until nobody gives orders any more.
    pub(super) async fn run(mut self) {
        let mut pauses = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut rng = fastrand::Rng::new();
        let mut waiting: Option<Order> = None;
        loop {
            let failure = match self.attempt.within(self.deadline, self.connect()).await {
                Ok(stream) => {
                    let began = Instant::now();
                    let Some(failure) = self.talk(stream, &mut waiting).await else {
                        return;
                    };
                    // Two of one name throw each other out, at once and for ever.
                    if began.elapsed() > KEEP_ALIVE {
                        pauses.reset();
                    }
                    failure
                }
                Err(failure) => failure,
            };
            tracing::debug!(%failure, "no connection to the broker");
            // What came while it failed has failed as well.
            if let Some(order) = waiting.take().or_else(|| self.orders.try_recv().ok()) {
                let _ = order.done.send(Err(failure));
            }
            // What is ordered in the pause is tried at once, unless its giver has gone meanwhile.
            let ordered = async {
                loop {
                    match self.orders.recv().await {
                        Some(order) if order.done.is_closed() => {}
                        order => return order,
                    }
                }
            };
            tokio::select! {
                order = ordered => match order {
                    Some(order) => waiting = Some(order),
                    None => return,
                },
                () = sleep(pauses.next(&mut rng)) => {}
            }
        }
    }

    /// A connection on which the broker has said that it will listen.
    async fn connect(&self) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, Undelivered> {
        let attempt = &self.attempt;
        let opened = self.connector.open(&self.target).await;
        let mut stream = opened.map_err(|error| attempt.unconnected(&error))?;
        let credentials = self
            .credentials
            .as_ref()
            .map(|(username, password)| (username.as_str(), password.expose()));
        let connect = Connect {
            client: &self.topics.client(),
            keep_alive: KEEP_ALIVE.as_secs() as u16,
            will: &self.topics.will(),
            credentials,
        };
        let hello = async {
            stream.write_all(&connect.bytes()).await?;
            stream.flush().await?;
            packet::read(&mut stream).await
        };
        match hello.await.map_err(|error| attempt.broken(&error))? {
            Packet::ConnAck(0) => Ok(stream),
            Packet::ConnAck(3) => Err(attempt.failed(Fault::Broken(None), "the broker is not ready")),
            Packet::ConnAck(code @ (4 | 5)) => {
                let cause = format!("the broker does not take this name and password (code {code})");
                Err(attempt.failed(Fault::Misconfigured, cause))
            }
            Packet::ConnAck(code) => {
                Err(attempt.failed(Fault::Misconfigured, format!("the broker refused (code {code})")))
            }
            _ => Err(attempt.failed(Fault::Broken(None), "what it says is not MQTT")),
        }
    }

    /// Talks until the connection breaks: why. `None` when nobody gives orders any more.
    async fn talk(
        &mut self,
        stream: impl AsyncRead + AsyncWrite,
        waiting: &mut Option<Order>,
    ) -> Option<Undelivered> {
        let (reader, writer) = tokio::io::split(stream);
        let packets = stream::unfold(reader, |mut reader| async {
            Some((packet::read(&mut reader).await, reader))
        });
        let mut packets = std::pin::pin!(packets);
        let mut talk = Talk {
            writer,
            deadline: self.deadline,
            number: 0,
        };
        let mut sent: Vec<Sent> = Vec::new();
        let mut open = Open::default();
        let mut told: Option<Open> = None;
        // Before the broker has told all that it keeps, what there is is not known.
        let mut is_known = false;
        let mut is_pinged = false;
        let mut beat = interval_at(Instant::now() + KEEP_ALIVE / 2, KEEP_ALIVE / 2);
        let failure = loop {
            let step = async {
                if talk.number == 0 {
                    talk.begin(&self.topics).await?;
                }
                // Whoever gave up tells it as undelivered, and comes again.
                if let Some(order) = waiting.take().filter(|order| !order.done.is_closed()) {
                    sent.retain(|order| !order.done.is_closed());
                    let numbers = talk.publish(&order.publishes).await;
                    match numbers {
                        Ok(numbers) => {
                            // It comes back from the broker, unless this client may not see it.
                            for publish in &order.publishes {
                                self.topics.note(&mut open, &publish.topic, &publish.payload);
                            }
                            sent.push(Sent {
                                numbers,
                                done: order.done,
                            });
                        }
                        Err(error) => {
                            *waiting = Some(order);
                            return Err(error);
                        }
                    }
                }
                if is_known && told.as_ref() != Some(&open) {
                    talk.publish(&[self.topics.state(&open)]).await?;
                    told = Some(open.clone());
                }
                io::Result::Ok(())
            };
            if let Err(error) = step.await {
                break self.attempt.broken(&error);
            }
            tokio::select! {
                packet = packets.next() => match packet {
                    Some(Ok(Packet::PubAck(number))) => acknowledge(&mut sent, number),
                    Some(Ok(Packet::Publish { topic, payload })) => {
                        self.topics.note(&mut open, &topic, &payload);
                    }
                    Some(Ok(Packet::PingResp)) => {
                        is_pinged = false;
                        is_known = true;
                    }
                    Some(Ok(Packet::SubAck(code))) => {
                        // What it keeps comes next, and after it the answer to this.
                        let ping = talk.say(&PING).await;
                        if code >= 0x80 {
                            tracing::debug!(code, "the broker does not show what it keeps");
                        }
                        if let Err(error) = ping {
                            break self.attempt.broken(&error);
                        }
                    }
                    Some(Ok(Packet::ConnAck(_) | Packet::Other)) => {}
                    Some(Err(error)) => break self.attempt.broken(&error),
                    None => break self.attempt.failed(Fault::Broken(None), "the connection ended"),
                },
                order = self.orders.recv() => match order {
                    Some(order) => *waiting = Some(order),
                    None => return None,
                },
                _ = beat.tick() => {
                    if is_pinged {
                        break self.attempt.failed(Fault::Silent, "the broker says nothing any more");
                    }
                    is_pinged = true;
                    if let Err(error) = talk.say(&PING).await {
                        break self.attempt.broken(&error);
                    }
                }
            }
        };
        for order in sent {
            let _ = order.done.send(Err(failure.clone()));
        }
        Some(failure)
    }
}

fn acknowledge(sent: &mut Vec<Sent>, number: u16) {
    for order in sent.iter_mut() {
        order.numbers.remove(&number);
    }
    while let Some(place) = sent.iter().position(|order| order.numbers.is_empty()) {
        let _ = sent.remove(place).done.send(Ok(()));
    }
}

impl<W: AsyncWrite + Unpin> Talk<W> {
    /// What is said on each new connection.
    async fn begin(&mut self, topics: &Topics) -> io::Result<()> {
        self.publish(&topics.announcements()).await?;
        self.publish(&[topics.online()]).await?;
        let number = self.next();
        self.say(&packet::subscribe(number, &topics.incidents())).await
    }

    /// The numbers under which all of them will be acknowledged.
    async fn publish(&mut self, publishes: &[Publish]) -> io::Result<BTreeSet<u16>> {
        let mut numbers = BTreeSet::new();
        for publish in publishes {
            let number = self.next();
            numbers.insert(number);
            self.say(&publish.bytes(number)).await?;
        }
        Ok(numbers)
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let said = async {
            self.writer.write_all(bytes).await?;
            self.writer.flush().await
        };
        let in_time = timeout(self.deadline, said).await;
        in_time.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Never 0.
    fn next(&mut self) -> u16 {
        self.number = self.number.checked_add(1).unwrap_or(1);
        self.number
    }
}
