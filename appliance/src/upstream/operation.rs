//! The kinds of requests, and how each is called and counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is asked of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Resolve,
    Manifest,
    StatBlob,
    Blob,
    Tags,
    Referrers,
    Token,
}

/// Requests that a registry limits together, as far as one can tell from outside: Docker Hub counts GETs of
/// manifests and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Manifests,
    Blobs,
    Looks,
}

impl Operation {
    pub(super) const ALL: [Self; 7] = [
        Self::Resolve,
        Self::Manifest,
        Self::StatBlob,
        Self::Blob,
        Self::Tags,
        Self::Referrers,
        Self::Token,
    ];

    /// For errors: "fetch the blob".
    pub(super) const fn phrase(self) -> &'static str {
        match self {
            Self::Resolve => "look up",
            Self::Manifest => "fetch the manifest of",
            Self::StatBlob => "look for the blob",
            Self::Blob => "fetch the blob",
            Self::Tags => "list the tags of",
            Self::Referrers => "list the referrers of",
            Self::Token => "get a token for",
        }
    }

    /// For metrics.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Manifest => "manifest",
            Self::StatBlob => "stat-blob",
            Self::Blob => "blob",
            Self::Tags => "tags",
            Self::Referrers => "referrers",
            Self::Token => "token",
        }
    }

    pub(super) const fn class(self) -> Class {
        match self {
            Self::Manifest => Class::Manifests,
            Self::Blob => Class::Blobs,
            Self::Resolve | Self::StatBlob | Self::Tags | Self::Referrers | Self::Token => Class::Looks,
        }
    }
}

/// One counter per kind.
#[derive(Debug, Default)]
pub(super) struct Counts([AtomicU64; Operation::ALL.len()]);

impl Counts {
    pub(super) fn add(&self, operation: Operation) {
        self.0[operation as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn read(&self) -> Vec<(&'static str, u64)> {
        Operation::ALL
            .into_iter()
            .map(|operation| (operation.word(), self.0[operation as usize].load(Relaxed)))
            .collect()
    }
}
