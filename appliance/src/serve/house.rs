//! The front door: who answers a request, and what is written down about it.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;

use crate::{
    delivery::Line,
    listen::{App, Ending, Peer, Sent, Tracked},
    metrics::{Kind, Metrics},
    registry::{Registry, Story},
    source::SourceName,
    telemetry::Access,
};

/// All that answers requests.
#[derive(Clone)]
pub(super) struct House {
    pub(super) registry: Registry,
    pub(super) metrics: Arc<Metrics>,
}

impl App for House {
    async fn answer(&self, request: Request<Incoming>, peer: Peer, line: Line) -> Response<Tracked> {
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
        };
        let mut response = self.registry.answer(&request, &line).await;
        let record = Record {
            ttfb: started.elapsed(),
            status: response.status(),
            story: response.extensions_mut().remove(),
            ..record
        };
        response.map(|body| Tracked::new(body, move |sent| record.finish(&sent)))
    }
}

/// What is known of a request when its head has been answered.
struct Record {
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
    peer: Peer,
    started: Instant,
    ttfb: Duration,
    status: StatusCode,
    story: Option<Story>,
    metrics: Arc<Metrics>,
}

impl Record {
    /// The body is done: counts and logs the request.
    fn finish(&self, sent: &Sent) {
        let kind = self.story.as_ref().map_or(Kind::Other, |story| story.kind);
        let outcome = self.story.as_ref().and_then(|story| story.outcome);
        self.metrics.request(kind, self.status, sent.bytes, self.ttfb);
        if let Some(outcome) = outcome {
            self.metrics.outcome(kind, outcome);
        }
        if let Ending::Failed(error) = &sent.ending {
            tracing::warn!(path = self.uri.path(), bytes = sent.bytes, %error, "answer not completed, connection reset");
        }
        if tracing::enabled!(target: "access", tracing::Level::INFO) {
            self.log(sent, outcome);
        }
    }

    fn log(&self, sent: &Sent, outcome: Option<crate::metrics::Outcome>) {
        let story = self.story.as_ref();
        let repository = story
            .and_then(|story| story.repository.as_ref())
            .map(ToString::to_string);
        Access {
            method: self.method.as_str(),
            path: self.uri.path(),
            repository: repository.as_deref(),
            reason: story.and_then(|story| story.reason),
            status: self.status.as_u16(),
            outcome,
            source: story
                .and_then(|story| story.source.as_ref())
                .map(SourceName::as_str),
            bytes: sent.bytes,
            ttfb: self.ttfb,
            duration: self.started.elapsed(),
            client: match self.peer {
                Peer::Network(address) => address.ip().to_canonical(),
                Peer::Local => IpAddr::V4(Ipv4Addr::LOCALHOST),
            },
            user_agent: self.user_agent.as_ref().and_then(|agent| agent.to_str().ok()),
        }
        .log();
    }
}
