//! One exchange over HTTP: a request out, the head of a response in.
//!
//! Promises: it ends by its deadline; a connection that fell silent is not used again, and a request that met one of
//! before goes out once more over a new one; memory in flight is bounded per connection. Must not know: registries, tokens, redirects.

use std::{error::Error, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{
        Client as Pool,
        connect::{CaptureConnection, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    failure::{Failure, Kind, kind_of_connect, kind_of_io},
    operation::{Counts, Operation},
};
use crate::clock::Clock;
use crate::dial::{ConnectError, Connector, Origin, ProxySettings, Uses};

/// The most that is read ahead of whoever takes the bytes, per connection. Larger than a TLS record and small
/// against the budget for data in flight.
const HTTP1_BUFFER: usize = 256 << 10;

/// HTTP/2's flow control: what a server may send ahead on one stream, and on a connection. At 100 ms this
/// allows 160 Mbit/s a stream.
const HTTP2_STREAM: u32 = 2 << 20;
const HTTP2_CONNECTION: u32 = 4 << 20;

/// Idle connections are kept for less than the time after which home routers forget them, and few of them.
const IDLE: Duration = Duration::from_secs(45);
const MOST_IDLE: usize = 8;

/// HTTP/2 shares one connection: a dead one has to be noticed while streams are open on it.
const PING: Duration = Duration::from_secs(15);
const PONG: Duration = Duration::from_secs(10);

pub(super) struct Transport {
    pool: Pool<Connector, Empty<Bytes>>,
    /// Makes a connection for each request.
    fresh: Pool<Connector, Empty<Bytes>>,
    proxy: ProxySettings,
    user_agent: HeaderValue,
    requests: Arc<Counts>,
    pub(super) clock: Clock,
    /// How long a connection of before may be silent before the request goes out over a new one as well.
    patience: Duration,
    /// How long a body may go without moving.
    pub(super) progress: Duration,
}

/// How long a transport waits.
pub(super) struct Waits {
    pub(super) patience: Duration,
    pub(super) progress: Duration,
}

/// The head of a response, and what belongs to it.
pub(super) struct Head {
    pub(super) response: Response<Incoming>,
    /// From the request to here, a new connection included.
    pub(super) waited: Duration,
    pub(super) line: Line,
}

/// A request that got no response.
enum Unsent {
    /// The connection broke that an earlier response had come over.
    OverUsedConnection(Failure),
    Otherwise(Failure),
}

impl Unsent {
    fn into_failure(self) -> Failure {
        match self {
            Self::OverUsedConnection(failure) | Self::Otherwise(failure) => failure,
        }
    }
}

/// The connection that a response came over.
#[derive(Clone)]
pub(super) struct Line(CaptureConnection);

impl Line {
    /// Sees to it that nobody uses the connection again.
    pub(super) fn condemn(&self) {
        if let Some(connected) = self.0.connection_metadata().as_ref() {
            connected.poison();
        }
    }

    /// Whether a response has come over it before.
    fn was_used(&self) -> bool {
        self.0.connection_metadata().as_ref().is_some_and(Uses::any)
    }
}

impl Transport {
    pub(super) fn new(
        connector: Connector,
        proxy: ProxySettings,
        user_agent: HeaderValue,
        requests: Arc<Counts>,
        clock: Clock,
        waits: &Waits,
    ) -> Self {
        let mut builder = Pool::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MOST_IDLE)
            // A request that had not begun to go out when its connection closed: sent over another one.
            .retry_canceled_requests(true)
            .http1_max_buf_size(HTTP1_BUFFER)
            .http2_adaptive_window(false)
            .http2_initial_stream_window_size(HTTP2_STREAM)
            .http2_initial_connection_window_size(HTTP2_CONNECTION)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_timeout(PONG);
        let pool = builder.build(connector.clone());
        let fresh = builder.pool_max_idle_per_host(0).build(connector);
        Self {
            pool,
            fresh,
            proxy,
            user_agent,
            requests,
            clock,
            patience: waits.patience,
            progress: waits.progress,
        }
    }

    /// Sends a request without a body.
    pub(super) async fn exchange(
        &self,
        operation: Operation,
        method: Method,
        uri: &Uri,
        headers: impl IntoIterator<Item = (header::HeaderName, HeaderValue)>,
        deadline: Instant,
    ) -> Result<Head, Failure> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        let all = request.headers_mut();
        all.extend(headers);
        all.insert(header::USER_AGENT, self.user_agent.clone());
        // What a registry stores is handed on byte for byte.
        all.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(authorization) = self.proxy_authorization(uri) {
            all.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        self.requests.add(operation);
        let line = Line(capture_connection(&mut request));
        let again = request.clone();
        let mut first = pin!(send(&self.pool, request, line.clone(), deadline));
        let outcome = match timeout(self.patience, &mut first).await {
            // The server closed an idle connection as the request went out. A GET may be sent again.
            Ok(Err(Unsent::OverUsedConnection(_))) => {
                self.requests.add(operation);
                self.send_anew(again, deadline).await
            }
            Ok(Ok(answer)) => Ok(answer.through(line)),
            Ok(Err(failed)) => Err(failed),
            // A slow server, or a way on which nothing comes any more: whoever is first.
            Err(_) if line.was_used() => {
                line.condemn();
                self.requests.add(operation);
                match select(first, pin!(self.send_anew(again, deadline))).await {
                    Either::Left((Ok(answer), _)) => Ok(answer.through(line)),
                    Either::Left((Err(_), second)) => second.await,
                    Either::Right((Ok(head), _)) => Ok(head),
                    Either::Right((Err(failed), first)) => {
                        let answer = first.await.map_err(|_| failed);
                        answer.map(|answer| answer.through(line))
                    }
                }
            }
            Err(_) => first.await.map(|answer| answer.through(line)),
        };
        outcome.map_err(Unsent::into_failure)
    }

    /// Over a connection of its own.
    async fn send_anew(&self, mut request: Request<Empty<Bytes>>, deadline: Instant) -> Result<Head, Unsent> {
        let line = Line(capture_connection(&mut request));
        let answer = send(&self.fresh, request, line.clone(), deadline).await?;
        Ok(answer.through(line))
    }

    /// For plain HTTP through a proxy each request carries the proxy's credentials; a tunnel did it once.
    fn proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme_str() != Some("http") {
            return None;
        }
        self.proxy.towards(&Origin::of(uri)?)?.authorization.clone()
    }
}

/// A response, before its connection is known to whoever asked.
struct Answer {
    response: Response<Incoming>,
    waited: Duration,
}

impl Answer {
    fn through(self, line: Line) -> Head {
        Head {
            response: self.response,
            waited: self.waited,
            line,
        }
    }
}

async fn send(
    pool: &Pool<Connector, Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    line: Line,
    deadline: Instant,
) -> Result<Answer, Unsent> {
    let started = Instant::now();
    match timeout_at(deadline, pool.request(request)).await {
        Ok(Ok(response)) => {
            if let Some(uses) = response.extensions().get::<Uses>() {
                uses.add();
            }
            Ok(Answer {
                response,
                waited: started.elapsed(),
            })
        }
        Ok(Err(error)) => {
            let kind = kind_of(&error);
            let was_used = error.connect_info().is_some_and(Uses::any);
            let failure = Failure::new(kind, error);
            Err(match kind {
                Kind::Unreachable if was_used => Unsent::OverUsedConnection(failure),
                _ => Unsent::Otherwise(failure),
            })
        }
        Err(_) => {
            line.condemn();
            Err(Unsent::Otherwise(Failure::silent()))
        }
    }
}

/// What an error of the HTTP client amounts to: the innermost cause that says it best.
pub(super) fn kind_of(error: &(dyn Error + 'static)) -> Kind {
    let mut next = Some(error);
    let mut kind = Kind::Unreachable;
    while let Some(error) = next {
        if let Some(connect) = error.downcast_ref::<ConnectError>() {
            return kind_of_connect(connect);
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return kind_of_io(io);
        }
        if let Some(http) = error.downcast_ref::<hyper::Error>() {
            if http.is_timeout() {
                return Kind::Silent;
            }
            if http.is_parse() {
                kind = Kind::Untrustworthy;
            }
        }
        next = error.source();
    }
    kind
}
