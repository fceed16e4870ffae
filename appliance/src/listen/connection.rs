//! One connection, from its first byte to its last.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Version};
use hyper::{body::Incoming, rt, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::Watcher},
};
use tokio::{
    net::{TcpStream, UnixStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{
    App,
    accept::{Stop, until_stopped},
    preface::settled,
};
use crate::delivery::{Delivery, Line, Socket, Windows};

/// How long a client may take for a request's head, and for a TLS handshake. Bounds what a client that says
/// nothing costs; a kept-alive connection that is idle for longer is closed, which clients expect.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Streams of one HTTP/2 connection at once. containerd opens a handful.
const STREAMS: u32 = 128;

/// The most that is buffered for one HTTP/2 stream before its body is asked for more, in bytes.
const STREAM_BUFFER: usize = 256 << 10;

/// Whence a request comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    Network(SocketAddr),
    /// The box's own unix socket: whoever may open it administers the box.
    Local,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.ip().to_canonical().fmt(f),
            Self::Local => f.write_str("local"),
        }
    }
}

/// What a connection needs besides its socket.
#[derive(Clone)]
pub(super) struct Context<A> {
    pub(super) app: A,
    pub(super) protocol: Arc<auto::Builder<TokioExecutor>>,
    pub(super) stopping: watch::Receiver<Stop>,
}

/// The protocol settings, shared by all connections.
pub(super) fn protocol() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(STREAM_BUFFER);
    builder
}

impl<A: App> Context<A> {
    pub(super) async fn plain(self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        let windows = Arc::<Windows>::default();
        let io = Socket::new(stream, windows.clone());
        self.serve(io, Peer::Network(address), Some(windows), watcher)
            .await;
    }

    pub(super) async fn tls(
        self,
        stream: TcpStream,
        address: SocketAddr,
        acceptor: TlsAcceptor,
        watcher: Watcher,
    ) {
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                self.serve(TokioIo::new(stream), Peer::Network(address), None, watcher)
                    .await;
            }
            Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%address, "TLS handshake timed out"),
        }
    }

    pub(super) async fn local(self, stream: UnixStream, watcher: Watcher) {
        self.serve(TokioIo::new(stream), Peer::Local, None, watcher).await;
    }

    async fn serve<I>(self, io: I, peer: Peer, windows: Option<Arc<Windows>>, watcher: Watcher)
    where
        I: rt::Read + rt::Write + Unpin + Send + 'static,
    {
        let Self {
            app,
            protocol,
            stopping,
        } = self;
        let settled = until_stopped(stopping, settled(io, HEAD_TIMEOUT)).await;
        let Some(io) = settled.flatten() else {
            tracing::debug!(%peer, "connection ended before it said anything");
            return;
        };
        let service = service_fn(move |request: Request<Incoming>| {
            let line = line(request.version(), windows.as_ref());
            let app = app.clone();
            async move { Ok::<_, Infallible>(app.answer(request, peer, line).await) }
        });
        let connection = protocol.serve_connection(io, service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, error = %crate::source::chain(&*error), "connection ended");
        }
    }
}

/// HTTP/1.1 on a plain socket takes files from the kernel; everything else takes copies.
fn line(version: Version, windows: Option<&Arc<Windows>>) -> Line {
    match windows {
        Some(windows) if version < Version::HTTP_2 => Line {
            delivery: Delivery::Sendfile(windows.clone()),
            windows: Some(windows.clone()),
        },
        _ => Line {
            delivery: Delivery::Copy,
            windows: None,
        },
    }
}
