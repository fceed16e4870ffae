//! Who removes files.
//!
//! A trait, so that the collector can be tried with hands that are slow, or gone.

use futures_util::future::BoxFuture;

use crate::oci::Digest;

/// Removes the files of blobs that are not listed any more.
pub trait Hands: Send + Sync + 'static {
    /// Removes them all. A file that is not there was removed already. Ends by itself.
    fn remove(&self, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>>;

    /// The same with what is left of fills that nobody runs.
    fn remove_partials(&self, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>>;
}

/// What became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    pub files: u64,
    /// In bytes.
    pub bytes: u64,
    /// Those that could not be removed, and why.
    pub kept: Vec<String>,
}

/// Nothing can be removed for now.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unable {
    pub why: String,
    /// When it is worth trying again, where that is known.
    pub retry_at: Option<tokio::time::Instant>,
}
