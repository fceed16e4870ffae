//! The contract between the mirror and whoever can supply content.
//!
//! A [`Source`] is one place that may have a repository's content: today an endpoint of an upstream
//! registry; a neighbour on the LAN or a bucket can join without the mirror changing. The mirror holds an
//! ordered list of sources per upstream and asks them in turn.
//!
//! Promises of an implementation: every call ends, with an answer or an error, by its `deadline`; a stream
//! that stops moving ends in [`Fault::Unavailable`] by its progress deadline; what a manifest call returns
//! matches its digest. It must not know the cache, nor who asks.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, future::BoxFuture};
use tokio::time::Instant;

use crate::oci::{Digest, Manifest, MediaType, Reference, RepositoryPath, Tag};

/// What a source is called in logs, metrics and `X-Larder-Source`: `https://ghcr.io`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceName(Arc<str>);

impl SourceName {
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether it is worth asking a source now, from the outcomes of earlier calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Calls go through. `answered` is how long ago the last good answer came, if one ever did.
    Closed { answered: Option<Duration> },
    /// It failed: calls are refused without being tried, for this long still.
    Open { retry_in: Duration },
    /// The rest is over: one call goes through as a probe, others are refused until it is back.
    HalfOpen,
}

/// One place to get content from.
pub trait Source: Send + Sync + fmt::Debug {
    fn name(&self) -> &SourceName;

    fn health(&self) -> Health;

    /// Which digest a reference stands for now. Does not count against Docker Hub's limit.
    fn resolve<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        reference: &'a Reference,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Resolved, SourceError>>;

    /// A manifest, verified: against the reference when that is a digest, else against the digest the
    /// registry declared, if it did.
    fn manifest<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        reference: &'a Reference,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Manifest, SourceError>>;

    /// Whether the repository has a blob, and its size if the source says so.
    fn stat_blob<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        digest: &'a Digest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<u64>, SourceError>>;

    /// The bytes of a blob from `from` to its end, *not* verified. `deadline` bounds the wait for the head
    /// of the answer; afterwards the source's progress deadline applies.
    fn blob<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        digest: &'a Digest,
        from: u64,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BlobStream, SourceError>>;

    /// All tags of a repository, sorted.
    fn tags<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<Tag>, SourceError>>;

    /// The index of all referrers of a digest, unfiltered: from the referrers API, or else from its tag
    /// schema. An empty index (no error) when there are none.
    fn referrers<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        subject: &'a Digest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Bytes, SourceError>>;
}

/// The answer to [`Source::resolve`].
#[derive(Clone, Debug)]
pub struct Resolved {
    pub digest: Digest,
    pub media_type: MediaType,
    /// In bytes, if the source said so.
    pub size: Option<u64>,
}

/// The tail of a blob, arriving.
pub struct BlobStream {
    /// Where the first byte of `chunks` stands in the blob. Not larger than what was asked for; smaller
    /// when the source cannot start in the middle.
    pub start: u64,
    /// The whole blob's size in bytes, if the source said so.
    pub size: Option<u64>,
    /// The bytes, in order. Ends with `None` after the last one; a stream that is cut ends with an error.
    pub chunks: Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>,
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobStream(from {} of {:?})", self.start, self.size)
    }
}

/// What went wrong at a source, by what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The source answered and does not have it.
    NotFound,
    /// The source answered and does not let us: no or wrong credentials.
    Denied,
    /// The source wants fewer requests, for so long if it said so.
    Limited { retry_after: Option<Duration> },
    /// No usable answer: refused, reset, silent, stalled, 5xx, a name that does not resolve.
    Unavailable,
    /// It timed out: the same as unavailable, but each try costs the whole wait.
    Silent,
    /// An answer that cannot be right: wrong digest, wrong range, a captive portal's page.
    Untrustworthy,
    /// Not tried: the breaker is open after earlier faults.
    Resting { retry_in: Duration },
    /// The fault is this box's: no memory for the answer, no file descriptor left.
    Ours,
}

impl Fault {
    /// The source itself said that there is nothing (for us): asking again soon is pointless.
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::NotFound | Self::Denied)
    }

    /// A word for logs, metrics and `X-Larder-Reason`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Limited { .. } => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Silent => "silent",
            Self::Untrustworthy => "untrustworthy",
            Self::Resting { .. } => "resting",
            Self::Ours => "internal",
        }
    }
}

/// A call to a source that failed: operation, subject, whose fault.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} {subject} at {source_name}")]
pub struct SourceError {
    /// A verb phrase: "fetch the blob".
    pub operation: &'static str,
    /// What it was done to: `library/alpine@sha256:…`.
    pub subject: Arc<str>,
    pub source_name: SourceName,
    pub fault: Fault,
    /// Why, as the layer below put it. Not repeated in this error's own text.
    #[source]
    pub cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// An error and its causes on one line, outermost first: `fetch x: connect: refused`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
