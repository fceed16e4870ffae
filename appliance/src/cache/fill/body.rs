//! What a fill shares with its tasks on the blocking pool: the file, its hash, and its end.

use std::{
    fs::File,
    io::{self, IoSlice},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
};

use bytes::Buf;
use parking_lot::Mutex;

use super::{
    super::{
        admission::Ticket,
        cache::Inner,
        error::CacheError,
        index::{Command, Outcome},
        leftovers::Leftover,
        syncing::Syncing,
    },
    OPERATION,
};
use crate::{
    memory::Buffer,
    oci::{Digest, Hasher, Repository},
};

/// How much is read at once when an adopted prefix is hashed, in bytes.
const CHUNK: usize = 128 << 10;
/// The most buffers in one `pwritev`: an array on the stack, far below the kernel's 1024.
const VECTOR: usize = 64;

/// What a fill shares with its tasks on the blocking pool. It ends with the last of them.
#[derive(Debug)]
pub(in crate::cache) struct Body {
    pub(in crate::cache) inner: Arc<Inner>,
    pub(in crate::cache) repository: Repository,
    pub(in crate::cache) digest: Digest,
    pub(in crate::cache) size: Option<u64>,
    pub(in crate::cache) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) length: AtomicU64,
    pub(super) progress: Mutex<Progress>,
    /// Held by the task on the blocking pool until it is done, also when nobody waits for it any more.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    pub(in crate::cache) syncing: Syncing,
    pub(super) fate: Mutex<Fate>,
    pub(super) ticket: Ticket,
}

#[derive(Debug)]
pub(super) struct Progress {
    pub(super) hasher: Hasher,
    /// How many bytes the hash covers: less than the length only until an adopted prefix is hashed.
    pub(super) hashed: u64,
}

/// What becomes of the file when the fill ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum Fate {
    /// It stays for a resume.
    Keep,
    Discard,
    /// It is not under `fill/` any more.
    Moved,
}

impl Body {
    pub(in crate::cache) fn length(&self) -> u64 {
        self.length.load(Acquire)
    }

    pub(in crate::cache) fn path(&self) -> &PathBuf {
        &self.path
    }

    pub(in crate::cache) fn meet(&self, fate: Fate) {
        *self.fate.lock() = fate;
    }

    /// Writes the fill's row, without waiting for it.
    pub(super) fn list(&self, synced: u64) -> Outcome {
        self.inner.index.promise(Command::FillStarted {
            repository: self.repository.clone(),
            digest: self.digest,
            size: self.size,
            synced,
            boot: self.inner.disk.boot(),
        })
    }

    pub(super) fn failed(&self, error: io::Error) -> CacheError {
        let kind = self.inner.lacking(&error, self.ticket.left());
        CacheError::io(OPERATION, &self.digest, error).of_kind(kind)
    }

    /// Hashes what is in the file and not in the hash, but not much more than so many bytes.
    pub(super) fn catch_up(&self, progress: &mut Progress, most: u64) -> Result<(), CacheError> {
        let length = self.length().min(progress.hashed.saturating_add(most));
        if progress.hashed == length {
            return Ok(());
        }
        let mut chunk = vec![0; CHUNK];
        while progress.hashed < length {
            let count = (length - progress.hashed).min(CHUNK as u64) as usize;
            let part = &mut chunk[..count];
            self.inner
                .disk
                .read_at(&self.file, &self.path, part, progress.hashed)
                .map_err(|error| CacheError::io("read the partial", &self.digest, error))?;
            progress.hasher.update(part);
            progress.hashed += count as u64;
        }
        Ok(())
    }

    pub(super) fn append(&self, mut batch: Vec<Buffer>) -> Result<Vec<Buffer>, CacheError> {
        let mut progress = self.progress.lock();
        self.syncing.check(&self.digest)?;
        self.catch_up(&mut progress, u64::MAX)?;
        let mut first = 0;
        while first < batch.len() {
            if !batch[first].has_remaining() {
                first += 1;
                continue;
            }
            let mut slices = [IoSlice::new(&[]); VECTOR];
            let mut count = 0;
            for (slice, buffer) in slices.iter_mut().zip(&batch[first..]) {
                *slice = IoSlice::new(buffer.chunk());
                count += 1;
            }
            let at = self.length();
            let mut written = self
                .inner
                .disk
                .write_vectored_at(&self.file, &self.path, &slices[..count], at)
                .and_then(|written| match written {
                    0 => Err(io::ErrorKind::WriteZero.into()),
                    written => Ok(written),
                })
                .map_err(|error| self.failed(error))?;
            let more = written as u64;
            // What the kernel took is hashed and counted, whatever comes after.
            for buffer in &mut batch[first..first + count] {
                let part = buffer.remaining().min(written);
                progress.hasher.update(&buffer.chunk()[..part]);
                buffer.advance(part);
                written -= part;
            }
            progress.hashed += more;
            self.length.store(at + more, Release);
            self.ticket.written(more, at + more);
        }
        batch.clear();
        self.syncing.advance(&self.inner, self.length());
        Ok(batch)
    }

    pub(super) fn restart(&self) -> Result<(), CacheError> {
        let mut progress = self.progress.lock();
        self.inner
            .disk
            .truncate(&self.file, &self.path, 0)
            .map_err(|error| self.failed(error))?;
        self.length.store(0, Release);
        *progress = Progress {
            hasher: Hasher::new(self.digest.algorithm()),
            hashed: 0,
        };
        self.ticket.restarted();
        self.syncing.restart();
        // The row that was there before is as good until then: it claims less than there is.
        drop(self.list(0));
        Ok(())
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.syncing.end();
        let fate = match *self.fate.lock() {
            // An empty file, or one that a failed sync made doubtful, is worth no inode.
            Fate::Keep if self.length() == 0 || self.syncing.has_failed() => Fate::Discard,
            fate => fate,
        };
        let whole = Leftover {
            bytes: self.length(),
            since: self.inner.clock.now(),
        };
        match fate {
            Fate::Keep => self.ticket.leaves(Some(whole)),
            Fate::Moved => self.ticket.leaves(None),
            Fate::Discard => self.discard(whole),
        }
    }
}

impl Body {
    fn discard(&self, whole: Leftover) {
        // The file is open here, so that this removes a name and nothing more.
        match self.inner.disk.unlink(&self.path) {
            Ok(()) => self.ticket.leaves(None),
            Err(error) => {
                tracing::warn!(file = %self.path.display(), cause = %error, "a partial could not be removed");
                self.ticket.leaves(Some(whole));
            }
        }
        self.inner.index.tell(Command::FillEnded { digest: self.digest });
        // Freeing the blocks of a large file takes time, and happens where its last handle is dropped.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let file = self.file.clone();
            runtime.spawn_blocking(move || drop(file));
        }
    }
}
