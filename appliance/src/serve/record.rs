//! What is written down about a request: the counters and the access line.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, StatusCode, Uri};

use crate::{
    listen::{Ending, Peer, Sent},
    metrics::{Kind, Metrics, Underway},
    registry::Story,
    source::SourceName,
    telemetry::Access,
};

/// What is known of a request when its head has been answered.
pub(super) struct Record {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) user_agent: Option<HeaderValue>,
    pub(super) peer: Peer,
    pub(super) started: Instant,
    pub(super) ttfb: Duration,
    pub(super) status: StatusCode,
    pub(super) story: Option<Story>,
    pub(super) metrics: Arc<Metrics>,
    /// Until the body is done, or nobody wants it any more.
    pub(super) _underway: Underway,
}

impl Record {
    /// The body is done: counts and logs the request.
    pub(super) fn finish(&self, sent: &Sent) {
        let kind = self.story.as_ref().map_or(Kind::Other, |story| story.kind);
        let outcome = self.story.as_ref().and_then(|story| story.outcome);
        self.metrics.request(kind, self.status, sent.bytes, self.ttfb);
        if let Some(outcome) = outcome {
            self.metrics.outcome(kind, outcome);
        }
        let has_failed = self.story.as_ref().is_some_and(Story::has_failed);
        if has_failed || matches!(sent.ending, Ending::Failed(_)) {
            self.metrics.failed();
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
