//! A connection as the HTTP client sees it: counted, and encrypted or not.
//!
//! Promises: every byte that arrives is counted once, as it comes off the wire. Must not know: HTTP.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// A TCP connection that counts what it receives.
#[derive(Debug)]
pub struct Counted {
    tcp: TcpStream,
    received: Arc<AtomicU64>,
}

impl Counted {
    /// With options set that help; a kernel without one of them is no reason not to talk. `progress`: how long data that
    /// was sent may go unacknowledged.
    pub fn tuned(tcp: TcpStream, received: Arc<AtomicU64>, progress: Duration) -> Self {
        let _ = tcp.set_nodelay(true);
        let socket = SockRef::from(&tcp);
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(15))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        let _ = socket.set_tcp_keepalive(&keepalive);
        let _ = socket.set_tcp_user_timeout(Some(progress));
        Self { tcp, received }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        self.received
            .fetch_add((buffer.filled().len() - before) as u64, Relaxed);
        result
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// A connection to a registry, or to a proxy that is spoken to in its place.
#[derive(Debug)]
pub enum Stream {
    Plain(Counted),
    /// Plain HTTP to a proxy, which wants whole URLs.
    Proxied(Counted),
    Tls(Box<TlsStream<Counted>>),
}

/// How many responses have come over a connection. Goes along with it.
#[derive(Clone, Debug, Default)]
pub struct Uses(Arc<AtomicU64>);

impl Uses {
    pub fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Whether there were any.
    pub fn any(connection: &Connected) -> bool {
        let mut extras = http::Extensions::new();
        connection.get_extras(&mut extras);
        extras.get::<Self>().is_some_and(|uses| uses.0.load(Relaxed) > 0)
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Uses::default());
        match self {
            Self::Plain(_) => connected,
            Self::Proxied(_) => connected.proxy(true),
            Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => connected.negotiated_h2(),
            Self::Tls(_) => connected,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) | Self::Proxied(plain) => Pin::new(plain).poll_read(cx, buffer),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(plain) | Self::Proxied(plain) => Pin::new(plain).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) | Self::Proxied(plain) => Pin::new(plain).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(plain) | Self::Proxied(plain) => Pin::new(plain).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
