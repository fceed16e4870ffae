//! A blob that is arriving.
//!
//! The file under `fill/` is the buffer: bytes are written to it in order and hashed as they go, and readers
//! read what is there at their own pace. Promises: [`Fill::len`] bytes are in the file and are what the hash
//! covers, also after an error; whatever happens to the one who fills, the partial stays for a resume unless
//! it was discarded; a future that is dropped leaves all of this true. Must not know: where the bytes come
//! from, who reads them.

mod body;

use std::{
    fs::File,
    io,
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    memory::Buffer,
    oci::{Digest, Hasher, Repository},
};

use super::{
    admission::{FileNeed, Need},
    cache::Inner,
    content::Mismatch,
    error::{CacheError, Kind},
    index::Outcome,
    leftovers::Leftover,
    publish::VerifiedFill,
    recovery::or_damaged,
    syncing::Syncing,
};
use body::Progress;

pub(super) use body::{Body, Fate};

/// How much of an adopted prefix is hashed before it is said how far it is, in bytes.
const PART: u64 = 4 << 20;

/// How far a fill goes before its row is known to be durable, in bytes: nothing says whose a partial without
/// a row is, so that it is lost in a crash. And how long it waits for that; a pull does not hang on it.
const UNLISTED: u64 = 512 << 10;
const LISTING_PATIENCE: Duration = Duration::from_secs(1);

const OPERATION: &str = "store the blob";

/// The right and the means to fill one digest. There is one at a time.
#[derive(Debug)]
pub struct Fill {
    body: Arc<Body>,
    /// Until the fill's row is durable.
    listing: Option<Outcome>,
}

/// Whether a file that nobody listed was taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reclaimed {
    Yes,
    No,
}

/// Takes back a file that a crash left between its renaming and its row: it is a partial that is whole.
fn reclaim(inner: &Inner, digest: &Digest, path: &Path) -> Result<Reclaimed, CacheError> {
    let unlisted = inner.layout.blob(digest);
    if inner.distrusted.contains(digest)
        || path.exists()
        || !unlisted.exists()
        || or_damaged(inner.index.blob_row(digest))?.is_some()
    {
        return Ok(Reclaimed::No);
    }
    let moved = inner.disk.rename(&unlisted, path);
    moved.map_err(|error| CacheError::io(OPERATION, digest, error))?;
    Ok(Reclaimed::Yes)
}

impl Fill {
    /// Opens or adopts the file under `fill/`. Blocks.
    pub(super) fn begin(
        inner: Arc<Inner>,
        repository: Repository,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Self, CacheError> {
        let ticket = inner.admission.begin(&digest).ok_or_else(|| {
            CacheError::refused(
                "begin to store",
                &digest,
                Kind::Busy,
                "it is being filled already",
            )
        })?;
        if !inner.index.is_writable() {
            return Err(inner.index.refusal().during("begin to store", &digest));
        }
        let path = inner.layout.fill(&digest);
        let failed = |error: io::Error| {
            let kind = inner.lacking(&error, ticket.left());
            CacheError::io(OPERATION, &digest, error).of_kind(kind)
        };
        let boot = inner.disk.boot();
        let row = or_damaged(inner.index.fill(&digest))?.map(|listed| listed.row);
        let reclaimed = reclaim(&inner, &digest, &path)?;
        let existing = std::fs::metadata(&path).map(|metadata| metadata.len()).ok();
        ticket.leaves(existing.map(|bytes| Leftover {
            bytes,
            since: inner.clock.now(),
        }));
        // Without a row nothing says under which boot the bytes were written.
        let trusted = match (existing, row) {
            // It was synced before it got its name under `blobs/`.
            (Some(length), _) if reclaimed == Reclaimed::Yes => length,
            (Some(length), Some(row)) => row.trusted(length, boot),
            _ => 0,
        };
        // More than the whole blob is not a prefix of it.
        let adopted = if size.is_some_and(|size| trusted > size) {
            0
        } else {
            trusted
        };
        let need = Need {
            whole: size.unwrap_or(adopted),
            have: adopted,
            file: match existing {
                Some(_) => FileNeed::Exists,
                None => FileNeed::Create,
            },
        };
        inner.settle_leftovers();
        let glance = inner.glance();
        let admitted = ticket.admit(need, &glance, &inner.index.sums()?);
        inner.look_at_marks(glance.space);
        admitted?;
        let file = inner.disk.create_content(&path).map_err(failed)?;
        ticket.created();
        if existing.is_some_and(|length| length != adopted) {
            inner.disk.truncate(&file, &path, adopted).map_err(failed)?;
        }
        let synced = row.map_or(0, |row| row.synced.min(adopted));
        let file = Arc::new(file);
        let body = Body {
            syncing: Syncing::new(file.clone(), path.clone(), digest, adopted),
            repository,
            size,
            file,
            path,
            length: AtomicU64::new(adopted),
            progress: Mutex::new(Progress {
                hasher: Hasher::new(digest.algorithm()),
                hashed: 0,
            }),
            turn: Arc::default(),
            fate: Mutex::new(Fate::Keep),
            ticket,
            digest,
            inner,
        };
        let listing = Some(body.list(synced));
        Ok(Self {
            body: Arc::new(body),
            listing,
        })
    }

    /// The file, for readers: bytes `[0, len)` are there.
    pub fn file(&self) -> Arc<File> {
        self.body.file.clone()
    }

    pub fn digest(&self) -> &Digest {
        &self.body.digest
    }

    /// Bytes in the file. At first what an earlier fill left and what can be trusted of it: all, if it was
    /// written under this boot, for a killed process loses no page cache; else what was synced.
    #[expect(clippy::len_without_is_empty, reason = "a length in bytes, not a collection")]
    pub fn len(&self) -> u64 {
        self.body.length()
    }

    /// Hashes the adopted prefix, off the async threads. [`Fill::append`] does it if it was not done.
    pub async fn rehash(&mut self) -> Result<(), CacheError> {
        self.blocking(|body| body.catch_up(&mut body.progress.lock(), u64::MAX))
            .await
    }

    /// Hashes the next part of the adopted prefix, off the async threads, and says how far it is now. An error says
    /// that the disk does not give the rest; [`Fill::hashed`] is what it did give.
    pub async fn rehash_part(&mut self) -> Result<u64, CacheError> {
        self.blocking(|body| {
            let mut progress = body.progress.lock();
            body.catch_up(&mut progress, PART)?;
            Ok(progress.hashed)
        })
        .await
    }

    /// The running hash, and of how many bytes it is: of less than [`Fill::len`] while an adopted prefix was not read
    /// to its end. Never reads.
    pub fn hashed(&self) -> (Hasher, u64) {
        let progress = self.body.progress.lock();
        (progress.hasher.clone(), progress.hashed)
    }

    /// Writes a batch at the end and hashes it: one hop to the blocking pool, one `pwritev` for up to 64
    /// buffers. The buffers are dropped there; the emptied vector comes back to be used again.
    ///
    /// When the future is dropped, a batch that was under way is finished, before the next call begins.
    pub async fn append(&mut self, batch: Vec<Buffer>) -> Result<Vec<Buffer>, CacheError> {
        let emptied = self.blocking(|body| body.append(batch)).await?;
        if self.len() > UNLISTED
            && let Some(listing) = self.listing.take()
        {
            // What became of it is the index's to tell: a fill goes on also when it is not resumable.
            let _ = timeout(LISTING_PATIENCE, listing).await;
        }
        Ok(emptied)
    }

    /// The hash of the first [`Fill::len`] bytes, to go on from. Call [`Fill::rehash`] first when a prefix
    /// was adopted: otherwise it is hashed here, on the caller's thread.
    pub fn hasher(&self) -> Hasher {
        let mut progress = self.body.progress.lock();
        if let Err(error) = self.body.catch_up(&mut progress, u64::MAX) {
            tracing::warn!(cause = %crate::source::chain(&error), "an adopted partial cannot be read");
        }
        progress.hasher.clone()
    }

    /// Forgets what is there, after an adopted prefix turned out to be wrong. Readers see an empty file.
    pub async fn restart(&mut self) -> Result<(), CacheError> {
        self.blocking(Body::restart).await
    }

    /// Compares the hash with the digest. A mismatch removes the partial.
    pub fn verify(self) -> Result<VerifiedFill, Mismatch> {
        let actual = self.hasher().finish();
        let length = self.len();
        let covered = self.body.progress.lock().hashed == length;
        if covered && actual == self.body.digest {
            return Ok(VerifiedFill::new(self.body.clone()));
        }
        self.body.meet(Fate::Discard);
        Err(Mismatch {
            expected: self.body.digest,
            actual: Box::new(actual),
            length,
        })
    }

    /// Removes the partial. Readers that hold the file go on reading what is there.
    pub fn discard(self) {
        self.body.meet(Fate::Discard);
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Body) -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, CacheError> {
        let body = self.body.clone();
        let digest = body.digest;
        let turn = body.turn.clone().lock_owned().await;
        let task = move || {
            let result = work(&body);
            drop(turn);
            result
        };
        match tokio::task::spawn_blocking(task).await {
            Ok(result) => result,
            Err(error) => Err(CacheError::new(OPERATION, &digest, Kind::Io, error)),
        }
    }
}
