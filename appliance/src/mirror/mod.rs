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
mod filling;
mod flights;
mod gate;
mod held;
mod inventory;
mod listing;
mod manifest;
mod names;
mod negative;
mod outset;
mod own;
mod pace;
mod pass;
mod platform;
mod pull;
mod route;
mod rules;
mod suspects;
mod upstream;

use std::sync::Arc;

use tokio_util::task::TaskTracker;

/// How an answer came about.
pub use crate::metrics::Outcome;
pub use blob::{BlobAnswer, BlobContent};
pub use error::{Reason, Unserved};
pub use inventory::{Completeness, Kept};
pub use listing::{ReferrersAnswer, TagsAnswer};
pub use manifest::ManifestAnswer;
pub use names::{Names, Unresolved};
pub use own::{OWN_BLOB, own_blob};
pub use pace::Pace;
pub use pull::{BlobState, Progress, PullError};
pub use rules::{Rules, Settings};
pub use upstream::{Access, OpenUpstreams, Upstream, Upstreams};

use arc_swap::{ArcSwap, Guard};

use crate::{
    cache::Cache,
    clock::Clock,
    heartbeat::Beat,
    memory::Budget,
    metrics::Metrics,
    oci::{Digest, Reference, Repository},
};

/// The mirror. Clones are the same mirror.
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    rules: ArcSwap<Rules>,
    cache: Cache,
    budget: Budget,
    clock: Clock,
    manifests: flights::Flights<(Repository, Reference), manifest::Fetched>,
    blobs: flights::Flights<Digest, outset::Outset>,
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
    /// Of fills.
    beat: Beat,
}

impl Mirror {
    pub fn new(rules: Rules, cache: Cache, budget: Budget, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let negative_ttl = rules.settings.negative_ttl;
        Self(Arc::new(Inner {
            rules: ArcSwap::from_pointee(rules),
            cache,
            budget,
            clock,
            absent: negative::Absent::new(negative_ttl),
            absent_blobs: negative::Absent::new(negative_ttl),
            manifests: flights::Flights::default(),
            blobs: flights::Flights::default(),
            shown: flights::Flights::default(),
            listings: flights::Flights::default(),
            recent_listings: listing::Recent::default(),
            gate: gate::Gate::default(),
            storing: TaskTracker::new(),
            suspects: Arc::default(),
            metrics,
            beat: Beat::default(),
        }))
    }

    /// Which repository a name in a URL means.
    pub fn resolve(&self, name: &str, ns: Option<&str>) -> Result<Repository, Unresolved> {
        self.rules().names.resolve(name, ns)
    }

    /// Works by other rules from now on. What is under way goes on by those it began with.
    pub fn change(&self, rules: Rules) {
        rules.upstreams.inherit(&self.rules().upstreams);
        self.0.rules.store(Arc::new(rules));
    }

    /// The rules in force. Not to be held while waiting.
    fn rules(&self) -> Guard<Arc<Rules>> {
        self.0.rules.load()
    }

    /// The budget that this mirror's bytes in flight are covered by.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Content has gone: what was known to be whole is found out again.
    pub fn forget_whole(&self) {
        self.0.gate.forget();
    }

    /// What fills do.
    pub fn beat(&self) -> Beat {
        self.0.beat.clone()
    }

    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }
}

#[cfg(test)]
mod tests;
