//! The front door: who answers a request.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;

use super::{knocking::Mark, pages, record::Record};
use crate::{
    console::{Asker, Console},
    delivery::{Body, Line},
    listen::{App, Peer, Tracked},
    metrics::Metrics,
    registry::Registry,
};

/// All that answers requests.
#[derive(Clone)]
pub(super) struct House {
    pub(super) registry: Registry,
    pub(super) console: Console,
    pub(super) metrics: Arc<Metrics>,
    pub(super) mark: Mark,
}

impl App for House {
    async fn answer(&self, request: Request<Incoming>, peer: Peer, line: Line) -> Response<Tracked> {
        if self.mark.is_on(request.headers()) {
            let response = self.route(request, peer, &line).await;
            return response.map(|body| Tracked::new(body, |_| ()));
        }
        let started = Instant::now();
        let record = Record {
            method: request.method().clone(),
            uri: request.uri().clone(),
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            peer,
            started,
            ttfb: Duration::ZERO,
            status: StatusCode::OK,
            story: None,
            metrics: self.metrics.clone(),
            _underway: self.metrics.answering(),
        };
        let mut response = self.route(request, peer, &line).await;
        let record = Record {
            ttfb: started.elapsed(),
            status: response.status(),
            story: response.extensions_mut().remove(),
            ..record
        };
        response.map(|body| Tracked::new(body, move |sent| record.finish(&sent)))
    }
}

impl House {
    async fn route(&self, request: Request<Incoming>, peer: Peer, line: &Line) -> Response<Body> {
        let path = request.uri().path();
        if Registry::owns(path) {
            return self.registry.answer(&request, line).await;
        }
        if Console::owns(path) {
            let asker = asker(peer, &request);
            return pages::told(self.console.answer(request, asker).await, line);
        }
        pages::other(&request)
    }
}

/// Whoever may open the box's socket owns the box, and whoever has an account on its machine.
fn asker<B>(peer: Peer, request: &Request<B>) -> Asker {
    match peer {
        Peer::Local => Asker::Owner,
        // A browser says for which page it asks. On this machine it may be a stranger's.
        Peer::Network(address)
            if address.ip().to_canonical().is_loopback()
                && !request.headers().contains_key(header::ORIGIN) =>
        {
            Asker::Owner
        }
        Peer::Network(_) => Asker::Anyone,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    #[test]
    fn the_network_does_not_own_the_box() {
        let asked = |address: &str, origin: Option<&str>| {
            let mut request = Request::builder().method(Method::POST).uri("/api/v1/pull");
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            let peer = Peer::Network(address.parse().expect("an address"));
            asker(peer, &request.body(()).expect("a request"))
        };
        assert_eq!(asked("127.0.0.1:9", None), Asker::Owner);
        assert_eq!(asked("[::ffff:127.0.0.1]:9", None), Asker::Owner);
        assert_eq!(
            asked("127.0.0.1:9", Some("https://stranger.example")),
            Asker::Anyone
        );
        assert_eq!(asked("192.0.2.7:9", None), Asker::Anyone);
    }
}
