//! What to do for a reference: hit, revalidate, fill, stale, pass.
//!
//! The mirror stands between the registry face and what it draws from: the cache, and an ordered list of
//! [`Source`](crate::source::Source)s per upstream. It holds the product's policy and nothing else.
//!
//! Promises:
//! - Content is fetched once, however many ask for it at once ([`flights`]); a fetch outlives its askers.
//! - Every answer comes within the first-byte patience: content, or an error that says why.
//! - A cached tag is served while its upstream is refused, silent, limiting or failing, from the second
//!   request on without any wait; but only if all that it needs is here ([`gate`]).
//! - A repository gets only content that its own upstream has been shown to hold for it.
//! - Housekeeping fails no pull: what cannot be stored passes through ([`pass`]).
//!
//! Must not know: HTTP, sockets, what an upstream is made of, how the cache stores.

mod blob;
mod download;
mod error;
mod fill;
mod flights;
mod gate;
mod inventory;
mod listing;
mod manifest;
mod names;
mod negative;
mod pace;
mod pass;
mod platform;
mod pull;
mod route;
mod suspects;
mod upstream;

use std::{sync::Arc, time::Duration};

use tokio_util::task::TaskTracker;

/// How an answer came about.
pub use crate::metrics::Outcome;
pub use blob::{BlobAnswer, BlobContent};
pub use error::{Reason, Unserved};
pub use inventory::{Completeness, Kept};
pub use listing::{ReferrersAnswer, TagsAnswer};
pub use manifest::ManifestAnswer;
pub use names::{Names, Unresolved};
pub use pace::Pace;
pub use pull::{BlobState, Progress, PullError};
pub use upstream::{Access, OpenUpstreams, Upstream, Upstreams};

use crate::{
    cache::Cache,
    clock::Clock,
    memory::Pool,
    metrics::Metrics,
    oci::{Digest, Reference, Repository},
};

/// What the mirror is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a request may wait for the first byte of an answer.
    pub first_byte: Duration,
    /// How long a cached tag's revalidation may hold up its answer. The asking itself goes on.
    pub revalidation: Duration,
    /// How long "not found" is remembered.
    pub negative_ttl: Duration,
    /// Blobs smaller than this, in bytes, are stored in the index and fetched whole.
    pub inline_below: u64,
    /// The WAN's share for all fetches together.
    pub pace: Pace,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(8),
            // Longer than a HEAD over a satellite link, shorter than a person's patience.
            revalidation: Duration::from_secs(2),
            negative_ttl: Duration::from_secs(15),
            inline_below: 32 << 10,
            pace: Pace::default(),
        }
    }
}

/// The mirror. Clones are the same mirror.
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    upstreams: Upstreams,
    names: Names,
    cache: Cache,
    pool: Pool,
    clock: Clock,
    settings: Settings,
    manifests: flights::Flights<(Repository, Reference), manifest::Fetched>,
    blobs: flights::Flights<Digest, fill::Outset>,
    shown: flights::Flights<(Repository, Digest), Result<Option<u64>, Unserved>>,
    listings: flights::Flights<listing::Key, Result<listing::Listing, Unserved>>,
    recent_listings: listing::Recent,
    absent: negative::Absent,
    absent_blobs: negative::Absent,
    gate: gate::Gate,
    /// Who stores what a client has been given already.
    storing: TaskTracker,
    suspects: Arc<suspects::Suspects>,
    metrics: Arc<Metrics>,
}

impl Mirror {
    pub fn new(
        upstreams: Upstreams,
        names: Names,
        cache: Cache,
        pool: Pool,
        clock: Clock,
        settings: Settings,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Inner {
            upstreams,
            names,
            cache,
            pool,
            clock,
            absent: negative::Absent::new(settings.negative_ttl),
            absent_blobs: negative::Absent::new(settings.negative_ttl),
            settings,
            manifests: flights::Flights::default(),
            blobs: flights::Flights::default(),
            shown: flights::Flights::default(),
            listings: flights::Flights::default(),
            recent_listings: listing::Recent::default(),
            gate: gate::Gate::default(),
            storing: TaskTracker::new(),
            suspects: Arc::default(),
            metrics,
        }))
    }

    /// Which repository a name in a URL means.
    pub fn resolve(&self, name: &str, ns: Option<&str>) -> Result<Repository, Unresolved> {
        self.0.names.resolve(name, ns)
    }

    pub fn upstreams(&self) -> &Upstreams {
        &self.0.upstreams
    }

    /// The budget that this mirror's bytes in flight are covered by.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }
}

#[cfg(test)]
mod tests;
