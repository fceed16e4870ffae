//! Syslog (RFC 5424): over UDP (RFC 5426), TCP with octet counting (RFC 6587), TLS (RFC 5425), or the socket of this box.
//!
//! The protocol has no answers. Over UDP and to a socket, what was taken by the kernel has arrived, unless the other side
//! says at once that nobody is there; over TCP and TLS it has when the other side closes its end after ours, for then it
//! has read all of it.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UdpSocket, UnixDatagram},
};

use super::{
    Delivered,
    text::{cut_bytes, moment, plain},
    undelivered::{Attempt, Fault, Undelivered},
};
use crate::{
    alert::{Message, Told},
    config::Syslog,
    dial::{Connector, Origin, Scheme},
    rule::Severity,
};

/// `daemon`.
const FACILITY: u8 = 3;
/// What every receiver should take (RFC 5424, section 6.1); more is lost at some.
const LONGEST: usize = 2048;
/// How long it takes to hear that nobody is there.
const REFUSAL: Duration = Duration::from_millis(100);

pub(super) struct Receiver {
    way: Syslog,
    host: String,
    connector: Connector,
    deadline: Duration,
}

impl Receiver {
    pub(super) fn new(way: Syslog, host: &str, connector: Connector, deadline: Duration) -> Self {
        Self {
            way,
            host: cut_bytes(&plain(host), 255).to_owned(),
            connector,
            deadline,
        }
    }

    async fn log(&self, attempt: &Attempt, message: &Message) -> Result<Delivered, Undelivered> {
        let entry = entry(&self.host, message);
        match self.way.url.scheme() {
            "unix" => {
                let told = |error: io::Error| self.no_socket(attempt, &error);
                let socket = UnixDatagram::unbound().map_err(told)?;
                socket.connect(self.way.url.path()).map_err(told)?;
                socket.send(&entry).await.map_err(told)?;
            }
            "udp" => self.datagram(attempt, &entry).await?,
            scheme => self.stream(attempt, scheme, &entry).await?,
        }
        Ok(Delivered)
    }

    fn no_socket(&self, attempt: &Attempt, error: &io::Error) -> Undelivered {
        match error.kind() {
            // It may come with the service that makes it.
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                attempt.failed(Fault::Unreachable, error.to_string())
            }
            io::ErrorKind::PermissionDenied => attempt.failed(Fault::Misconfigured, error.to_string()),
            _ => attempt.broken(error),
        }
    }

    async fn datagram(&self, attempt: &Attempt, entry: &[u8]) -> Result<(), Undelivered> {
        let target = self.target(Scheme::Http);
        let addresses = self
            .connector
            .addresses(&target)
            .await
            .map_err(|error| attempt.unconnected(&error))?;
        let mut last = None;
        for address in addresses {
            match to(address, entry).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        let cause = last.map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
        Err(attempt.failed(Fault::Unreachable, cause))
    }

    async fn stream(&self, attempt: &Attempt, scheme: &str, entry: &[u8]) -> Result<(), Undelivered> {
        let target = self.target(match scheme {
            "tls" => Scheme::Https,
            _ => Scheme::Http,
        });
        let mut stream = self
            .connector
            .open(&target)
            .await
            .map_err(|error| attempt.unconnected(&error))?;
        let mut frame = format!("{} ", entry.len()).into_bytes();
        frame.extend_from_slice(entry);
        let exchange = async {
            stream.write_all(&frame).await?;
            stream.flush().await?;
            stream.shutdown().await?;
            // Whatever it says; its end is what counts.
            let mut said = [0; 256];
            while stream.read(&mut said).await? > 0 {}
            io::Result::Ok(())
        };
        match exchange.await {
            // TLS without a farewell: the end of TCP comes after all was read as well.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
            outcome => outcome.map_err(|error| attempt.broken(&error)),
        }
    }

    fn target(&self, scheme: Scheme) -> Origin {
        Origin {
            scheme,
            host: self.way.url.host().to_owned(),
            port: self.way.url.port(),
        }
    }
}

/// Sends a datagram, and listens for a moment whether it was refused.
async fn to(address: SocketAddr, entry: &[u8]) -> io::Result<()> {
    let here: SocketAddr = if address.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(here).await?;
    socket.connect(address).await?;
    socket.send(entry).await?;
    match tokio::time::timeout(REFUSAL, socket.recv(&mut [0; 16])).await {
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

fn entry(host: &str, message: &Message) -> Vec<u8> {
    let severity = match (message.occasion, message.severity) {
        (Told::Resolved | Told::Test, _) | (_, Severity::Info) => 6,
        (_, Severity::Warning) => 4,
        (_, Severity::Critical) => 2,
    };
    let kind = message.occasion.word();
    let priority = FACILITY * 8 + severity;
    let at = moment(message.at);
    let head = format!("<{priority}>1 {at} {host} larder - {kind} - \u{feff}");
    // One line: many a log has an entry per line.
    let text: Vec<&str> = message.text.lines().filter(|line| !line.is_empty()).collect();
    let line: String = format!("{} | {}", message.title, text.join("; "))
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cut_bytes(&(head + &line), LONGEST).as_bytes().to_vec()
}

impl super::Receiver for Receiver {
    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<Delivered, Undelivered>> {
        async move {
            let attempt = Attempt {
                operation: "log to",
                to: self.way.url.to_string(),
            };
            attempt.within(self.deadline, self.log(&attempt, message)).await
        }
        .boxed()
    }
}
