//! Files and index compared while the cache is in use, piece by piece.
//!
//! Who walks through the folders is elsewhere; here is what follows from what was seen. Both sides are in the order
//! of digests, so that a piece of one is compared with the same stretch of the other, in bounded memory.
//!
//! | found | done in the course of things | done after a start or a loss of the index |
//! |---|---|---|
//! | a row whose file is missing or of another length | off the list, after the writer has looked again | the same |
//! | a file without a row | condemned: its caller removes it | told: it may be whole |
//! | a partial that nobody has filled for long | removed | left alone |
//! | a partial without a row, or of a blob that is listed | removed when it is not young any more | removed |
//! | a fill's row without a file, or of a blob that is listed | removed | the same |
//! | a name that is no digest's | told: it is somebody's | the same |
//!
//! In the course of things a file without a row is not adopted: the recovery has adopted what a crash or a lost index
//! left, and what has come since was evicted, or is somebody's doing.
//!
//! Promises: what is being filled, published or removed is left alone, and so is what is young; while the index is in
//! memory, or was lost and its files are not adopted yet, no blob is removed; nobody fills what is condemned. Must
//! not know: who reads the files.

use std::time::Duration;

use crate::{clock::Timestamp, oci::Digest};

use super::{
    cache::Cache,
    collection::{Condemned, carry_out},
    comparison::Comparison,
    error::{CacheError, Kind},
    index::{Guard, Place, Unit},
};

pub(super) const OPERATION: &str = "inspect";
/// Changes sent to the writer at once.
pub(super) const BATCH: usize = 64;

/// A file as it was seen a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub digest: Digest,
    /// In bytes; `None`: it is there, and cannot be looked at.
    pub size: Option<u64>,
    /// Since it was written, as far as clocks can be believed.
    pub age: Option<Duration>,
}

/// A stretch of the list: what comes after one digest, up to and including another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// `None`: from the first.
    pub after: Option<Digest>,
    /// `None`: to the last.
    pub until: Option<Digest>,
}

/// How old what nobody wants has to be.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// A file without a row.
    pub orphan: Duration,
    /// A partial that could be continued.
    pub partial: Duration,
}

/// What files and list are compared for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// What nobody wants goes, once it is so old.
    Upkeep(Ages),
    /// What a crash or the loss of the index has left is to be found.
    Recovery,
}

/// How files and list differed in a stretch.
#[derive(Debug, Default)]
pub struct Differences {
    /// Blobs that are off the list now, because their files are missing or of another length.
    pub lost: Vec<Digest>,
    /// Files without a row, to be removed.
    pub orphans: Vec<Condemned>,
    /// Files without a row that may be whole, in order: when it was for a recovery.
    pub unlisted: Vec<Digest>,
    /// Files without a row that are left alone for now.
    pub left: u64,
}

impl Cache {
    /// Compares what was `seen` under `blobs/`, in order, with a stretch of the list. Rows without their files are off
    /// the list when this is done.
    pub async fn compare(
        &self,
        stretch: Stretch,
        seen: Vec<Seen>,
        purpose: Purpose,
    ) -> Result<Differences, CacheError> {
        let inner = self.inner.clone();
        blocking(move || Comparison::new(&inner, purpose)?.run(stretch, &seen)).await
    }

    /// Takes off the list what is to go of what was `seen` under `fill/`. The files are to be removed.
    pub async fn compare_partials(
        &self,
        seen: Vec<Seen>,
        purpose: Purpose,
    ) -> Result<Vec<Condemned>, CacheError> {
        let inner = self.inner.clone();
        blocking(move || Comparison::new(&inner, purpose)?.partials(&seen)).await
    }

    /// Removes the rows of fills that nobody fills and that have no file; how many.
    pub async fn forget_lost_fills(&self, purpose: Purpose) -> Result<u64, CacheError> {
        let inner = self.inner.clone();
        blocking(move || Comparison::new(&inner, purpose)?.fill_rows()).await
    }

    /// Takes blobs off the list, for every repository, whose files are wrong: as far as they are listed, were so at
    /// `since`, and nobody fills them. The files are to be removed.
    pub async fn condemn(
        &self,
        digests: Vec<Digest>,
        since: Timestamp,
    ) -> Result<Vec<Condemned>, CacheError> {
        let inner = self.inner.clone();
        let units = blocking(move || {
            let mut units = Vec::new();
            for digest in digests {
                let row = inner.index.blob_row(&digest)?;
                if row.is_some_and(|row| row.place == Place::File && row.created <= since) {
                    units.push(Unit {
                        tags: Vec::new(),
                        freed: vec![digest],
                        after: Vec::new(),
                    });
                }
            }
            Ok(units)
        });
        let units = units.await?;
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let (taken, _) = carry_out(&self.inner, units, Guard::Nothing).await?;
        Ok(taken.files)
    }

    /// Takes a blob off the list whose file cannot be read. The file stays, and is not read again. Whether it was
    /// listed.
    pub async fn distrust(&self, digest: Digest, since: Timestamp) -> Result<bool, CacheError> {
        // Before anybody can begin to fill it.
        self.inner.distrusted.insert(digest);
        Ok(!self.condemn(vec![digest], since).await?.is_empty())
    }

    /// Files that cannot be read.
    pub fn distrusted(&self) -> Vec<Digest> {
        self.inner.distrusted.all()
    }

    /// An earlier process could not read these.
    pub fn remember_distrusted(&self, digests: impl IntoIterator<Item = Digest>) {
        for digest in digests {
            self.inner.distrusted.insert(digest);
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
) -> Result<T, CacheError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(CacheError::new(OPERATION, &"", Kind::Io, error)))
}
