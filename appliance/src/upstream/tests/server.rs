//! A small HTTP server that answers as it is told and remembers what it was asked.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What follows the bytes of a body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Then {
    End,
    /// The connection breaks.
    Break,
    /// Nothing, for ever.
    Stall,
    /// A byte every 20 ms, for ever.
    Trickle,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
        then: Then,
    },
    Silence,
}

/// An answer without a body.
pub(super) fn status(status: u16) -> Reply {
    Reply::Answer {
        status,
        headers: Vec::new(),
        body: Bytes::new(),
        then: Then::End,
    }
}

/// A 200 with a body.
pub(super) fn ok(body: &[u8]) -> Reply {
    status(200)
        .body(body)
        .header("content-length", &body.len().to_string())
}

impl Reply {
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    pub(super) fn body(mut self, bytes: &[u8]) -> Self {
        if let Self::Answer { body, .. } = &mut self {
            *body = Bytes::copy_from_slice(bytes);
        }
        self
    }

    pub(super) fn then(mut self, what: Then) -> Self {
        if let Self::Answer { then, .. } = &mut self {
            *then = what;
        }
        self
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// A server on a port of its own. It ends when it is dropped, with its connections.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    pub(super) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(handler, |stream| async move { Some(stream) }).await
    }

    /// `wrap` makes of a connection what HTTP is spoken over: TLS, a tunnel.
    pub(super) async fn with<W, F, S>(
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        wrap: W,
    ) -> Self
    where
        W: Fn(tokio::net::TcpStream) -> F + Send + Sync + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (handler, log): (Handler, _) = (Arc::new(handler), seen.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, log, stream) = (handler.clone(), log.clone(), wrap(stream));
                connections.spawn(async move {
                    let Some(stream) = stream.await else { return };
                    let service = service_fn(move |request| answer(handler.clone(), log.clone(), request));
                    let http = auto::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same server by another name.
    pub(super) fn url_as(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    /// All requests so far, in order.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Methods and paths so far: `GET /v2/`.
    pub(super) fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock();
        seen.iter().map(|s| format!("{} {}", s.method, s.path)).collect()
    }
}

async fn answer(
    handler: Handler,
    log: Arc<Mutex<Vec<Seen>>>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, io::Error>>, Infallible> {
    let seen = Seen {
        method: request.method().clone(),
        path: request
            .uri()
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: request.headers().clone(),
    };
    let reply = handler(&seen);
    log.lock().push(seen);
    let Reply::Answer {
        status,
        headers,
        body,
        then,
    } = reply
    else {
        return std::future::pending().await;
    };
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let first = stream::iter((!body.is_empty()).then(|| Ok(Frame::data(body))));
    let rest = match then {
        Then::End => stream::empty().boxed(),
        Then::Break => stream::once(async { Err(io::ErrorKind::BrokenPipe.into()) }).boxed(),
        Then::Stall => stream::pending().boxed(),
        Then::Trickle => stream::unfold((), |()| async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            Some((Ok(Frame::data(Bytes::from_static(b"x"))), ()))
        })
        .boxed(),
    };
    let body = StreamBody::new(first.chain(rest).boxed());
    Ok(response.body(body.boxed_unsync()).expect("valid"))
}
