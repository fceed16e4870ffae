//! The box's own pages: health, metrics and the JSON API.
//!
//! Promises: every path gets an answer; a body that is sent to us is bounded; nothing here waits for an
//! upstream except a pull, which tells how it goes. Must not know: the mirror; what is shown comes through
//! [`Facts`], what is done goes through [`Operations`].

mod answer;
mod body;
mod lines;
mod room;
mod watch;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;

pub use room::Console;

use crate::{
    api::{
        AcknowledgeRequest, Alerts, AlertsChanged, CollectEvent, Collections, Course, Images, InspectEvent,
        Inspections, Kept, PullEvent, Reloaded, Samples, SilenceRequest, Status, TestRequest, Tested,
        UnsilenceRequest,
    },
    oci::{Image, Platform, UpstreamName},
    rule::Series,
};

/// What an answer carries.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can be asked.
pub trait Facts: Send + Sync + 'static {
    fn status(&self) -> Status;

    /// All images that are kept. On failure, why, in words.
    fn images(&self) -> BoxFuture<'_, Result<Images, String>>;

    fn collections(&self) -> Collections;

    fn inspections(&self) -> Inspections;

    fn readiness(&self) -> Readiness;

    /// Where an image without an upstream is looked for.
    fn default_upstream(&self) -> UpstreamName;

    /// Whether images of this upstream are served.
    fn serves(&self, upstream: &UpstreamName) -> bool;
}

/// What can be done.
pub trait Operations: Send + Sync + 'static {
    /// Fetches an image. The stream tells how it goes and ends with `Done` or `Failed`; dropping it gives
    /// up waiting, not what is being fetched.
    fn pull(&self, image: Image, platform: Option<Platform>) -> BoxStream<'static, PullEvent>;

    /// Changes what is kept of an image. On failure, why, in words.
    fn keep(&self, image: Image, change: Change) -> BoxFuture<'_, Result<Kept, String>>;

    /// Makes room, or says what would go. The stream ends with `Done` or `Failed`.
    fn collect(&self, effect: Effect) -> BoxStream<'static, CollectEvent>;

    /// Compares disk and list, and mends what differs. The stream ends with `Done` or `Failed`.
    fn inspect(&self, depth: Depth) -> BoxStream<'static, InspectEvent>;

    /// Reads the configuration again. On failure, why, in words; nothing has changed then.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, String>>;
}

/// What the box watches, and whom it tells. A failure says why in words.
pub trait Watch: Send + Sync + 'static {
    fn alerts(&self) -> Alerts;

    fn samples(&self) -> Samples;

    /// A series over the last so many seconds.
    fn course(&self, series: Series, seconds: u64) -> BoxFuture<'_, Result<Course, String>>;

    fn acknowledge(&self, request: AcknowledgeRequest) -> Result<AlertsChanged, String>;

    fn silence(&self, request: SilenceRequest) -> Result<AlertsChanged, String>;

    fn unsilence(&self, request: UnsilenceRequest) -> Result<AlertsChanged, String>;

    /// Sends test messages. Ends by the receivers' deadlines.
    fn test(&self, request: TestRequest) -> BoxFuture<'_, Result<Tested, String>>;
}

/// What is to be changed of alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AlertChange {
    Acknowledge,
    Silence,
    Unsilence,
    Test,
}

/// What to do with an image that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Pin,
    Unpin,
    Evict,
}

/// Whether something is done, or only said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Real,
    Said,
}

/// How thorough an inspection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Scan,
    /// A scan, and then everything is read.
    Scrub,
}

/// Whether the box should be sent requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// And why not, in words.
    NotReady(String),
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// Somebody on this machine: may also change what the box does.
    Owner,
    Anyone,
}

/// All routes: what is asked by which method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Alive,
    Ready,
    Metrics,
    Status,
    Images,
    Pull,
    Reload,
    Keep(Change),
    Collect,
    Collections,
    Inspect,
    Inspections,
    Alerts,
    ChangeAlerts(AlertChange),
    Samples,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        use crate::api::path;
        match path {
            "/healthz" => Some(Self::Alive),
            "/readyz" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            path::STATUS => Some(Self::Status),
            path::IMAGES => Some(Self::Images),
            path::PULL => Some(Self::Pull),
            path::RELOAD => Some(Self::Reload),
            path::PIN => Some(Self::Keep(Change::Pin)),
            path::UNPIN => Some(Self::Keep(Change::Unpin)),
            path::EVICT => Some(Self::Keep(Change::Evict)),
            path::COLLECT => Some(Self::Collect),
            path::COLLECTIONS => Some(Self::Collections),
            path::INSPECT => Some(Self::Inspect),
            path::INSPECTIONS => Some(Self::Inspections),
            path::ALERTS => Some(Self::Alerts),
            path::ACKNOWLEDGE => Some(Self::ChangeAlerts(AlertChange::Acknowledge)),
            path::SILENCE => Some(Self::ChangeAlerts(AlertChange::Silence)),
            path::UNSILENCE => Some(Self::ChangeAlerts(AlertChange::Unsilence)),
            path::TEST_ALERTS => Some(Self::ChangeAlerts(AlertChange::Test)),
            path::METRICS => Some(Self::Samples),
            _ => None,
        }
    }

    fn allows(self, method: &Method) -> bool {
        if self.is_change() {
            method == Method::POST
        } else {
            method == Method::GET || method == Method::HEAD
        }
    }

    /// What changes something is the owner's.
    fn is_open_to(self, asker: Asker) -> bool {
        asker == Asker::Owner || !self.is_change()
    }

    const fn is_change(self) -> bool {
        matches!(
            self,
            Self::Pull | Self::Reload | Self::Keep(_) | Self::Collect | Self::Inspect | Self::ChangeAlerts(_)
        )
    }

    const fn methods(self) -> &'static str {
        if self.is_change() { "POST" } else { "GET, HEAD" }
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
