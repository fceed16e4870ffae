//! Opening a connection: proxy or not, name, address, TCP, tunnel, TLS.
//!
//! Promises: each step is bounded in time; no address is connected to that the policy forbids; an
//! error says which step failed. Must not know: requests, tokens.
//!
//! Behind a proxy it is the proxy that resolves names, so the policy can judge only addresses that are
//! written as such; the proxy itself is the owner's choice and not judged.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    address::AddressPolicy,
    connect_error::{ConnectError, forbidden, silent, worst},
    families::{Families, Family},
    late::{Late, none, of_family},
    origin::{Origin, Scheme},
    proxy::ProxySettings,
    race::{Won, race},
    resolve::{Found, Resolve},
    stream::{Counted, Stream},
    tunnel,
    ways::{Lately, Seen, Way},
};

/// Opens connections. Clones share everything.
#[derive(Clone)]
pub struct Connector(Arc<Wiring>);

/// What a [`Connector`] is made of.
pub struct Wiring {
    pub resolver: Arc<dyn Resolve>,
    pub families: Arc<Families>,
    pub proxy: ProxySettings,
    pub addresses: AddressPolicy,
    pub tls: Arc<ClientConfig>,
    /// For each step.
    pub patience: Duration,
    /// How long data that was sent may go unacknowledged.
    pub progress: Duration,
    /// What connecting has shown, to all who share it.
    pub seen: Arc<Seen>,
    /// Bytes received, of all who share it.
    pub received: Arc<AtomicU64>,
    /// Connections opened, of all who share it.
    pub opened: Arc<AtomicU64>,
}

impl Connector {
    pub fn new(wiring: Wiring) -> Self {
        Self(Arc::new(wiring))
    }

    /// A connection to a host, with TLS if its scheme says so.
    pub async fn open(&self, target: &Origin) -> Result<Stream, ConnectError> {
        self.0.open(target).await
    }

    /// The addresses of a host in the order in which to try them, for protocols without connections.
    pub async fn addresses(&self, target: &Origin) -> Result<Vec<SocketAddr>, ConnectError> {
        let (mut addresses, late) = self.0.addresses(target, self.0.addresses).await?;
        // Whether an address is of use is not seen from what is sent to it: it takes all of them.
        addresses.extend(late.await);
        Ok(self.0.families.order(&target.host, addresses, Instant::now()))
    }

    /// TLS over a connection that was opened without, for protocols that begin so.
    pub async fn secure(&self, stream: Stream, target: &Origin) -> Result<Stream, ConnectError> {
        match stream {
            Stream::Plain(tcp) => self.0.encrypt(tcp, target).await,
            other => Ok(other),
        }
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let wiring = self.0.clone();
        async move {
            let target = Origin::of(&uri).ok_or(ConnectError::Url)?;
            wiring.open(&target).await.map(TokioIo::new)
        }
        .boxed()
    }
}

/// A host that was connected to.
struct Reached {
    tcp: Counted,
    family: Family,
    /// Its addresses of the other family.
    others: Late,
}

impl Wiring {
    async fn open(self: &Arc<Self>, target: &Origin) -> Result<Stream, ConnectError> {
        let Some(proxy) = self.proxy.towards(target) else {
            let reached = self.tcp(target, self.addresses).await?;
            return match target.scheme {
                Scheme::Http => Ok(Stream::Plain(reached.tcp)),
                Scheme::Https => self.encrypt_either_way(reached, target).await,
            };
        };
        if target.ip().is_some_and(|ip| !self.addresses.permits(ip)) {
            return Err(forbidden(target));
        }
        let mut tcp = self.tcp(&proxy.origin, AddressPolicy::Any).await?.tcp;
        if target.scheme == Scheme::Http {
            return Ok(Stream::Proxied(tcp));
        }
        match timeout(self.patience, tunnel::open(&mut tcp, proxy, target)).await {
            Ok(Ok(())) => self.encrypt(tcp, target).await,
            Ok(Err(source)) => Err(ConnectError::Tunnel {
                host: target.host.clone(),
                source,
            }),
            Err(_) => Err(silent(&proxy.origin)),
        }
    }

    /// The addresses of a host that the policy permits, at least one; and those that may still come.
    async fn addresses(
        &self,
        target: &Origin,
        policy: AddressPolicy,
    ) -> Result<(Vec<SocketAddr>, Late), ConnectError> {
        let Found { addresses, late } = match target.ip() {
            Some(ip) => vec![ip].into(),
            None => self.resolve(target).await?,
        };
        let port = target.port;
        let permit = move |addresses: Vec<IpAddr>| -> Vec<SocketAddr> {
            let permitted = addresses.into_iter().filter(|ip| policy.permits(*ip));
            permitted.map(|ip| SocketAddr::new(ip, port)).collect()
        };
        let late = match late {
            Some(late) => late.map(permit).boxed().shared(),
            None => none(),
        };
        let permitted = permit(addresses);
        if !permitted.is_empty() {
            return Ok((permitted, late));
        }
        match late.await {
            nothing if nothing.is_empty() => Err(forbidden(target)),
            permitted => Ok((permitted, none())),
        }
    }

    async fn tcp(self: &Arc<Self>, target: &Origin, policy: AddressPolicy) -> Result<Reached, ConnectError> {
        let (permitted, late) = self.addresses(target, policy).await?;
        let ordered = self.families.order(&target.host, permitted, Instant::now());
        let known = ordered.clone();
        let won = race(ordered, late.clone(), self.patience, TcpStream::connect)
            .await
            .map_err(|lost| ConnectError::Connect {
                host: target.host.clone(),
                source: worst(lost),
            })?;
        self.learn(target, &won);
        let family = Family::of(&won.address);
        let others = of_family(known, late, family.other()).boxed().shared();
        self.look_again(target, family.other(), others.clone());
        self.opened.fetch_add(1, Relaxed);
        Ok(Reached {
            tcp: self.prepare(won.connection),
            family,
            others,
        })
    }

    /// Tries a family again that goes last, if it is time, beside a connection over the other one: nobody waits for it.
    fn look_again(self: &Arc<Self>, target: &Origin, family: Family, addresses: Late) {
        if !self.families.is_due(&target.host, family, Instant::now()) {
            return;
        }
        let (wiring, target) = (self.clone(), target.clone());
        tokio::spawn(async move {
            let addresses = addresses.await;
            if addresses.is_empty() || !wiring.families.take_turn(&target.host, family, Instant::now()) {
                return;
            }
            let connected = race(addresses, none(), wiring.patience, TcpStream::connect).await;
            let how = match (connected, target.scheme) {
                (Err(lost), _) => match worst(lost).kind() {
                    // Whoever has taken the family away from the box does not want to hear that it is broken.
                    io::ErrorKind::NetworkUnreachable => Lately::Worked,
                    _ => Lately::Failed,
                },
                (Ok(_), Scheme::Http) => {
                    wiring.families.restore(&target.host, family, Instant::now());
                    Lately::Worked
                }
                // A tunnel that loses large packets lets a connection through, and no certificate.
                (Ok(won), Scheme::Https) => {
                    let tcp = wiring.prepare(won.connection);
                    match wiring.encrypt(tcp, &target).await {
                        Err(ConnectError::Silent { .. }) => Lately::Failed,
                        Ok(_) | Err(_) => {
                            wiring.families.restore(&target.host, family, Instant::now());
                            Lately::Worked
                        }
                    }
                }
            };
            let now = Instant::now();
            if how == Lately::Failed {
                wiring.families.still_broken(family, now);
            }
            wiring.seen.note(Way::of(family), how, now);
        });
    }

    async fn resolve(&self, target: &Origin) -> Result<Found, ConnectError> {
        let first = self.families.first(&target.host, Instant::now());
        let resolved = self.resolver.resolve(&target.host, first).await;
        let how = match &resolved {
            Err(error) if !error.is_answer() => Lately::Failed,
            _ => Lately::Worked,
        };
        self.seen.note(Way::Names, how, Instant::now());
        resolved.map_err(|source| ConnectError::Resolve {
            host: target.host.clone(),
            source,
        })
    }

    fn learn<T>(&self, target: &Origin, won: &Won<T>) {
        let now = Instant::now();
        self.families.learn(&target.host, won, now);
        let winner = Family::of(&won.address);
        self.seen.note(Way::of(winner), Lately::Worked, now);
        if let Some(loser) = won.beaten.iter().map(Family::of).find(|family| *family != winner) {
            self.seen.note(Way::of(loser), Lately::Failed, now);
        }
    }

    fn prepare(&self, tcp: TcpStream) -> Counted {
        Counted::tuned(tcp, self.received.clone(), self.progress)
    }

    /// Over the other family, if there is one, when nothing comes through this one but the connection itself.
    async fn encrypt_either_way(
        self: &Arc<Self>,
        reached: Reached,
        target: &Origin,
    ) -> Result<Stream, ConnectError> {
        let Reached { tcp, family, others } = reached;
        let outcome = self.encrypt(tcp, target).await;
        if !matches!(outcome, Err(ConnectError::Silent { .. })) {
            return outcome;
        }
        self.families.demote(&target.host, family, Instant::now());
        let others = others.await;
        if others.is_empty() {
            return outcome;
        }
        let Ok(won) = race(others, none(), self.patience, TcpStream::connect).await else {
            return outcome;
        };
        self.learn(target, &won);
        self.opened.fetch_add(1, Relaxed);
        let outcome = self.encrypt(self.prepare(won.connection), target).await;
        if outcome.is_ok() {
            self.seen.note(Way::of(family), Lately::Failed, Instant::now());
        }
        outcome
    }

    async fn encrypt(&self, tcp: Counted, target: &Origin) -> Result<Stream, ConnectError> {
        let name = ServerName::try_from(target.host.clone()).map_err(|_| ConnectError::Url)?;
        let handshake = TlsConnector::from(self.tls.clone()).connect(name, tcp);
        match timeout(self.patience, handshake).await {
            Ok(Ok(tls)) => Ok(Stream::Tls(Box::new(tls))),
            Ok(Err(source)) => Err(ConnectError::Tls {
                host: target.host.clone(),
                source,
            }),
            Err(_) => Err(silent(target)),
        }
    }
}

#[cfg(test)]
#[path = "tests/connect.rs"]
mod tests;
