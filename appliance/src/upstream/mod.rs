//! Talking to registries over the WAN.
//!
//! [`Client::endpoints`] makes the [`Source`](crate::source::Source)s of one upstream. The room, from the
//! outside in:
//!
//! - `settings`, `error`: what an upstream is told, and what can be wrong with it
//! - `client`: what all upstreams share · `endpoint`: one endpoint as a source
//! - what can be asked: `manifest`, `blob` with its `body`, `tags` and `referrers` with their `pages`
//! - `errand`: what they ask with · `request`: one request to its end, through `auth` (challenges, tokens) and `redirect`s, read by `answer`
//! - `transport`: one exchange over HTTP
//! - one connection: [`crate::dial`]
//! - `record`: the book of an endpoint: `health` (the breaker), `ledger`, `operation` (kinds, counters)
//! - small things: `failure`
//!
//! Promises: every call ends by its deadline and every stream by its progress deadline; memory in flight is
//! bounded per connection; credentials reach nobody but the registry they are for. Must not know: the cache,
//! nor who asks.

mod answer;
mod auth;
mod blob;
mod body;
mod client;
mod endpoint;
mod errand;
mod error;
mod failure;
mod health;
mod ledger;
mod manifest;
mod operation;
mod pages;
mod record;
mod redirect;
mod referrers;
mod request;
mod settings;
mod tags;
mod transport;

pub use crate::dial::{AddressPolicy, FamilyHealth, InvalidCa, InvalidProxy, Lately, ProxySettings, Ways};
pub use client::{Client, Usage};
pub use endpoint::{Endpoint, EndpointStatus};
pub use error::UpstreamError;
pub use health::Failing;
pub use ledger::Ledger;
pub use record::LastError;
pub use settings::{Credentials, EndpointUrl, InvalidEndpoint, Options, Secret, Settings};

#[cfg(test)]
mod tests;
