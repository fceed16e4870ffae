//! Binding, accepting, shutting down.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use super::{
    App, Bound,
    connection::{Context, protocol},
};

/// Connections waiting to be accepted, at most.
const BACKLOG: i32 = 1024;

/// Pause after an accept that failed for want of a resource: the connections in flight give it back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A peer that vanished is noticed after this long without a word (plus the kernel's probes).
const KEEPALIVE: Duration = Duration::from_secs(60);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct ListenError {
    address: String,
    #[source]
    cause: io::Error,
}

/// Binds an address. `[::]` takes IPv4 too.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bound = || -> io::Result<TcpListener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    bound().map_err(|cause| ListenError {
        address: address.to_string(),
        cause,
    })
}

/// Binds the box's own socket, replacing one that an earlier process left. Only its user may open it.
pub fn bind_local(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// The listening sockets.
#[derive(Default)]
pub struct Listeners {
    plain: Vec<TcpListener>,
    tls: Option<(TcpListener, TlsAcceptor)>,
    local: Option<(UnixListener, PathBuf)>,
}

/// Asks all listeners to stop. Dropping it asks, too.
pub struct Shutdown(watch::Sender<Stop>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    NotYet,
    Now,
}

impl Shutdown {
    pub fn now(&self) {
        self.0.send_replace(Stop::Now);
    }
}

impl Listeners {
    #[must_use]
    pub fn plain(mut self, listener: TcpListener) -> Self {
        self.plain.push(listener);
        self
    }

    #[must_use]
    pub fn tls(mut self, listener: TcpListener, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some((listener, TlsAcceptor::from(config)));
        self
    }

    /// Adds the box's own socket. A path that cannot be bound is an error to tell, not to die of: pulls need
    /// no such socket.
    pub fn local(mut self, path: &Path, bound: io::Result<UnixListener>) -> (Self, Result<(), ListenError>) {
        match bound {
            Ok(listener) => {
                self.local = Some((listener, path.to_owned()));
                (self, Ok(()))
            }
            Err(cause) => {
                let address = path.display().to_string();
                (self, Err(ListenError { address, cause }))
            }
        }
    }

    pub fn bound(&self) -> Bound {
        Bound {
            http: self.plain.first().and_then(|listener| listener.local_addr().ok()),
            https: self
                .tls
                .as_ref()
                .and_then(|(listener, _)| listener.local_addr().ok()),
        }
    }

    /// Serves until `Shutdown`, then lets what is in flight finish for at most `grace`.
    ///
    /// Returns the handle to stop it, and the future that serves.
    pub fn serve<A: App>(self, app: A, grace: Duration) -> (Shutdown, impl Future<Output = ()> + Send) {
        let (stop, stopping) = watch::channel(Stop::NotYet);
        (
            Shutdown(stop),
            run(
                self,
                Context {
                    app,
                    protocol: Arc::new(protocol()),
                    stopping: stopping.clone(),
                },
                stopping,
                grace,
            ),
        )
    }
}

async fn run<A: App>(
    listeners: Listeners,
    context: Context<A>,
    stopping: watch::Receiver<Stop>,
    grace: Duration,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let mut accepting = JoinSet::new();
    for listener in listeners.plain {
        let (context, graceful) = (context.clone(), graceful.clone());
        accepting.spawn(until_stopped(stopping.clone(), async move {
            loop {
                let Some((stream, address)) = accepted(listener.accept().await).await else {
                    continue;
                };
                tune(&stream);
                tokio::spawn(context.clone().plain(stream, address, graceful.watcher()));
            }
        }));
    }
    if let Some((listener, acceptor)) = listeners.tls {
        let (context, graceful) = (context.clone(), graceful.clone());
        accepting.spawn(until_stopped(stopping.clone(), async move {
            loop {
                let Some((stream, address)) = accepted(listener.accept().await).await else {
                    continue;
                };
                tune(&stream);
                tokio::spawn(
                    context
                        .clone()
                        .tls(stream, address, acceptor.clone(), graceful.watcher()),
                );
            }
        }));
    }
    let mut socket = None;
    if let Some((listener, path)) = listeners.local {
        let (context, graceful) = (context.clone(), graceful.clone());
        socket = Some(path);
        accepting.spawn(until_stopped(stopping.clone(), async move {
            loop {
                let Some((stream, _)) = accepted(listener.accept().await).await else {
                    continue;
                };
                tokio::spawn(context.clone().local(stream, graceful.watcher()));
            }
        }));
    }
    while accepting.join_next().await.is_some() {}
    if let Some(path) = socket {
        let _ = std::fs::remove_file(path);
    }
    // The loops are gone, and their clones with them.
    if let Some(graceful) = Arc::into_inner(graceful)
        && tokio::time::timeout(grace, graceful.shutdown()).await.is_err()
    {
        tracing::warn!(?grace, "connections still open after the grace are cut");
    }
}

/// What `work` ends with, unless the end of all comes first.
pub(super) async fn until_stopped<T>(
    mut stopping: watch::Receiver<Stop>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        _ = stopping.wait_for(|stop| *stop == Stop::Now) => None,
    }
}

/// An accepted connection, or a pause when there is none to be had for now.
async fn accepted<T>(result: io::Result<T>) -> Option<T> {
    match result {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
            if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            None
        }
    }
}

/// Best effort: a socket that refuses an option still serves.
fn tune(stream: &tokio::net::TcpStream) {
    // Without it a lone small answer waits 40 ms for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
}
