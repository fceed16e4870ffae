//! Listening: sockets, connections, TLS, and the end of it all.
//!
//! Accepts connections on TCP (plain and TLS) and on a unix socket, speaks HTTP/1.1 and HTTP/2 on each, and
//! hands every request to an [`App`]. Promises: a fault of one connection ends that connection only; out of
//! file descriptors is waited out, not died of; at shutdown what is in flight may finish within a bound.
//! Must not know: what is served.

mod accept;
mod connection;
mod preface;
mod tracked;

use std::{future::Future, net::SocketAddr};

use http::{Request, Response};
use hyper::body::Incoming;

pub use accept::{ListenError, Listeners, Shutdown, bind, bind_local};
pub use connection::Peer;
pub use tracked::{Ending, Sent, Tracked};

use crate::delivery::Line;

/// What answers requests.
pub trait App: Clone + Send + Sync + 'static {
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        line: Line,
    ) -> impl Future<Output = Response<Tracked>> + Send;
}

/// The addresses that are listened on, once they are bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bound {
    pub http: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
}
