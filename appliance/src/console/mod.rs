//! The box's own pages: health, metrics and the JSON API.
//!
//! Promises: every path gets an answer; a body that is sent to us is bounded; nothing here waits for an
//! upstream except a pull, which tells how it goes. Must not know: the mirror; what is shown comes through
//! [`Facts`], what is done goes through [`Operations`].

mod answer;
mod pull;
mod room;

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;

pub use room::Console;

use crate::{
    api::{Images, PullEvent, Reloaded, Status},
    oci::{Image, Platform, UpstreamName},
};

/// What an answer carries.
pub type AnswerBody = UnsyncBoxBody<Bytes, Infallible>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can be asked.
pub trait Facts: Send + Sync + 'static {
    fn status(&self) -> Status;

    /// All images that are kept. On failure, why, in words.
    fn images(&self) -> BoxFuture<'_, Result<Images, String>>;

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

    /// Reads the configuration again. On failure, why, in words; nothing has changed then.
    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, String>>;
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
            _ => None,
        }
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Pull | Self::Reload => method == Method::POST,
            _ => method == Method::GET || method == Method::HEAD,
        }
    }

    /// What changes something is the owner's.
    fn is_open_to(self, asker: Asker) -> bool {
        asker == Asker::Owner || !matches!(self, Self::Pull | Self::Reload)
    }

    const fn methods(self) -> &'static str {
        match self {
            Self::Pull | Self::Reload => "POST",
            _ => "GET, HEAD",
        }
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
