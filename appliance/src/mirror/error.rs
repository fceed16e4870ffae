//! Why something cannot be served.

use std::{sync::Arc, time::Duration};

use crate::{
    memory::Exhausted,
    metrics::FillFailure,
    oci::{Manifest, Repository},
    source::{Fault, SourceError, chain},
};

/// Why, by what a client should make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The upstream says that there is no such thing.
    NotFound,
    /// The upstream does not let this box have it, or this box's rules forbid it.
    Denied,
    /// The upstream cannot be had and the cache has nothing that could be served.
    Unavailable,
    /// The upstream allows no more requests for now, and the cache has nothing.
    RateLimited,
    /// The upstream's answers cannot be right.
    Untrustworthy,
    /// The upstream cannot be had, and the cache has only a part of what this manifest needs.
    Incomplete,
    /// This box is out of a resource; later it is not.
    Busy { retry_after: Duration },
}

impl Reason {
    /// For `X-Larder-Reason`, logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Unavailable => "upstream-unavailable",
            Self::RateLimited => "upstream-rate-limited",
            Self::Untrustworthy => "upstream-untrustworthy",
            Self::Incomplete => "incomplete-offline",
            Self::Busy { .. } => "busy",
        }
    }
}

impl From<Reason> for FillFailure {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::NotFound => Self::NotFound,
            Reason::Denied => Self::Denied,
            Reason::Unavailable | Reason::Incomplete => Self::Unavailable,
            Reason::RateLimited => Self::RateLimited,
            Reason::Untrustworthy => Self::Untrustworthy,
            Reason::Busy { .. } => Self::Busy,
        }
    }
}

/// A request that neither the cache nor any source can serve.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Unserved {
    pub reason: Reason,
    /// The whole story, for the client and the log.
    pub message: Arc<str>,
}

impl Unserved {
    pub fn new(reason: Reason, message: impl Into<Arc<str>>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Nothing came within the patience. The asking goes on in the background.
    pub fn out_of_patience(patience: Duration) -> Self {
        Self::new(
            Reason::Unavailable,
            format!("no answer from the upstream within {patience:?}"),
        )
    }

    /// A manifest that is here, of which something is missing that cannot be had now.
    pub fn incomplete(repository: &Repository, manifest: &Manifest, why: &str) -> Self {
        let message = format!(
            "the cache holds only a part of {}, and the upstream of `{repository}` cannot be reached: {why}",
            manifest.digest
        );
        Self::new(Reason::Incomplete, message)
    }

    /// All sources were asked; `errors` is what each said.
    pub fn from_sources(errors: &[SourceError]) -> Self {
        let reason = match errors {
            [] => Reason::Unavailable,
            all if all.iter().all(|e| e.fault == Fault::NotFound) => Reason::NotFound,
            all if all.iter().all(|e| e.fault.is_answer()) => Reason::Denied,
            // The last word of those that could not answer decides: it is the state of the upstream.
            all => all
                .iter()
                .rev()
                .find(|e| !e.fault.is_answer())
                .map_or(Reason::Unavailable, |e| match e.fault {
                    Fault::Limited { .. } => Reason::RateLimited,
                    Fault::Untrustworthy => Reason::Untrustworthy,
                    Fault::Ours => Reason::Busy {
                        retry_after: Duration::from_secs(1),
                    },
                    _ => Reason::Unavailable,
                }),
        };
        let said: Vec<_> = errors.iter().map(|e| chain(e)).collect();
        Self::new(
            reason,
            if said.is_empty() {
                "no source is configured".to_owned()
            } else {
                said.join("; ")
            },
        )
    }

    /// The upstream answered, so that what it said may be remembered for a while.
    pub fn is_answer(&self) -> bool {
        self.reason == Reason::NotFound
    }
}

impl From<Exhausted> for Unserved {
    fn from(exhausted: Exhausted) -> Self {
        Self::new(
            Reason::Busy {
                retry_after: Duration::from_secs(2),
            },
            exhausted.to_string(),
        )
    }
}
