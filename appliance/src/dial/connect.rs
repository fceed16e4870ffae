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
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use super::{
    address::AddressPolicy,
    eyeballs::{Families, Family, Lost, Won, race},
    origin::{Origin, Scheme},
    proxy::ProxySettings,
    resolve::{Resolve, ResolveError},
    stream::{Counted, Stream},
    tunnel::{self, TunnelError},
    ways::{Lately, Seen, Way},
};

/// Which step of connecting to `host` failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("this is not a URL that can be connected to")]
    Url,
    #[error("resolve {host}")]
    Resolve {
        host: String,
        #[source]
        source: ResolveError,
    },
    #[error("{host} is not on the public internet, and only public registries are open to all")]
    Forbidden { host: String },
    #[error("connect to {host}")]
    Connect {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("open a tunnel to {host}")]
    Tunnel {
        host: String,
        #[source]
        source: TunnelError,
    },
    #[error("agree on TLS with {host}")]
    Tls {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("{host} took the connection and did not go on with it")]
    Silent { host: String },
}

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
        let addresses = self.0.addresses(target, self.0.addresses).await?;
        Ok(self.0.families.order(&target.host, addresses, Instant::now()))
    }

    /// TLS over a connection that was opened without, for protocols that begin so.
    pub async fn secure(&self, stream: Stream, target: &Origin) -> Result<Stream, ConnectError> {
        match stream {
            Stream::Plain(tcp) => self.0.encrypt(tcp, target, None).await,
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

impl Wiring {
    async fn open(&self, target: &Origin) -> Result<Stream, ConnectError> {
        let Some(proxy) = self.proxy.towards(target) else {
            let (tcp, family) = self.tcp(target, self.addresses).await?;
            return match target.scheme {
                Scheme::Http => Ok(Stream::Plain(tcp)),
                Scheme::Https => self.encrypt(tcp, target, Some(family)).await,
            };
        };
        if target.ip().is_some_and(|ip| !self.addresses.permits(ip)) {
            return Err(forbidden(target));
        }
        let (mut tcp, _) = self.tcp(&proxy.origin, AddressPolicy::Any).await?;
        if target.scheme == Scheme::Http {
            return Ok(Stream::Proxied(tcp));
        }
        match timeout(self.patience, tunnel::open(&mut tcp, proxy, target)).await {
            Ok(Ok(())) => self.encrypt(tcp, target, None).await,
            Ok(Err(source)) => Err(ConnectError::Tunnel {
                host: target.host.clone(),
                source,
            }),
            Err(_) => Err(silent(&proxy.origin)),
        }
    }

    /// All addresses of a host that the policy permits; at least one.
    async fn addresses(
        &self,
        target: &Origin,
        policy: AddressPolicy,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let addresses = match target.ip() {
            Some(ip) => vec![ip],
            None => self.resolve(target).await?,
        };
        let permitted: Vec<_> = addresses
            .into_iter()
            .filter(|ip| policy.permits(*ip))
            .map(|ip| SocketAddr::new(ip, target.port))
            .collect();
        if permitted.is_empty() {
            return Err(forbidden(target));
        }
        Ok(permitted)
    }

    async fn tcp(&self, target: &Origin, policy: AddressPolicy) -> Result<(Counted, Family), ConnectError> {
        let permitted = self.addresses(target, policy).await?;
        let ordered = self.families.order(&target.host, permitted, Instant::now());
        let won = race(&ordered, self.patience, TcpStream::connect)
            .await
            .map_err(|lost| ConnectError::Connect {
                host: target.host.clone(),
                source: worst(lost),
            })?;
        self.learn(target, &won);
        self.opened.fetch_add(1, Relaxed);
        self.tune(&won.connection);
        let family = Family::of(&won.address);
        Ok((Counted::new(won.connection, self.received.clone()), family))
    }

    async fn resolve(&self, target: &Origin) -> Result<Vec<IpAddr>, ConnectError> {
        let resolved = self.resolver.resolve(&target.host).await;
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

    /// Options that help; a kernel without one of them is no reason not to talk.
    fn tune(&self, tcp: &TcpStream) {
        let _ = tcp.set_nodelay(true);
        let socket = SockRef::from(tcp);
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(15))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        let _ = socket.set_tcp_keepalive(&keepalive);
        let _ = socket.set_tcp_user_timeout(Some(self.progress));
    }

    async fn encrypt(
        &self,
        tcp: Counted,
        target: &Origin,
        family: Option<Family>,
    ) -> Result<Stream, ConnectError> {
        let name = ServerName::try_from(target.host.clone()).map_err(|_| ConnectError::Url)?;
        let handshake = TlsConnector::from(self.tls.clone()).connect(name, tcp);
        match timeout(self.patience, handshake).await {
            Ok(Ok(tls)) => Ok(Stream::Tls(Box::new(tls))),
            Ok(Err(source)) => Err(ConnectError::Tls {
                host: target.host.clone(),
                source,
            }),
            Err(_) => {
                if let Some(family) = family {
                    self.families.demote(&target.host, family, Instant::now());
                }
                Err(silent(target))
            }
        }
    }
}

fn forbidden(target: &Origin) -> ConnectError {
    ConnectError::Forbidden {
        host: target.host.clone(),
    }
}

fn silent(target: &Origin) -> ConnectError {
    ConnectError::Silent {
        host: target.host.clone(),
    }
}

/// The error to tell of a lost race: what is ours first, then silence, for that one costs the most.
fn worst(Lost(failed): Lost) -> io::Error {
    let rank = |error: &io::Error| match error.kind() {
        _ if is_ours(error) => 0,
        io::ErrorKind::TimedOut => 1,
        _ => 2,
    };
    failed
        .into_iter()
        .map(|(_, error)| error)
        .min_by_key(rank)
        .unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Whether an error of the kernel means that this process or this box is out of file descriptors or memory.
pub fn is_ours(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
