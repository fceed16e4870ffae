//! Listing what nobody lists and turned out to be whole: what a crash, a power cut or the loss of the index has left.
//!
//! Who finds the files and reads them is elsewhere, and says by a [`Stamp`] which file it was that was read.
//!
//! | a file without a row | done |
//! |---|---|
//! | whole and synced, with a fill's row (a crash within publishing) | listed, and shown to the fill's repository |
//! | the same without a fill's row (the index was lost, or an eviction was cut) | listed as hidden: the digest proves the content, nothing proves who may see it; the WAN is saved, as the upstream is only asked whether it has it |
//! | not what its name says | condemned: its caller removes it |
//! | no longer the file that was read | told, to be read again |
//! | being filled or removed, or one that cannot be read | left alone |
//!
//! Promises: what is listed is what was read; nobody fills a digest while its file is being listed; an index in
//! memory, which knows nothing, is no reason to remove anything. Must not know: who reads the files, when.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    sync::{Arc, atomic::Ordering::SeqCst},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::oci::Digest;

use super::{
    cache::{Cache, Inner},
    collection::Condemned,
    error::{CacheError, Kind},
    index::{Command, Done, Standing},
    inspection::blocking,
};

const OPERATION: &str = "adopt the blob";
/// Files listed at once: as many as the writer takes into one transaction.
const BATCH: usize = 256;

/// Which file it is, and in which state: what is written, replaced or moved has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    inode: u64,
    /// In bytes.
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same. Some filesystems have only the other one.
    changed: (i64, i64),
}

impl Stamp {
    pub fn of(file: &Metadata) -> Self {
        Self {
            inode: file.ino(),
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }

    /// In bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// A file under `blobs/` that was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Examined {
    pub digest: Digest,
    pub stamp: Stamp,
}

/// What became of whole files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Listed, and shown to the repository that had filled them.
    pub shown: u64,
    /// Listed, and hidden from every repository.
    pub hidden: u64,
    /// Files that are not what was read: they are to be read again.
    pub changed: Vec<Digest>,
}

/// Between two losses of the index: what has a row in one era may have none in the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Era(u64);

impl Cache {
    /// What era it is; nothing while the index is in memory and there is nothing to compare files with.
    pub fn era(&self) -> Option<Era> {
        Some(Era(self.inner.index.standing()?.losses))
    }

    /// Told when the index was lost while in use: another era has begun.
    pub fn lost(&self) -> Arc<Notify> {
        self.inner.index.lost()
    }

    /// All that was whole at the beginning of an era is listed now.
    pub fn settle(&self, era: Era) {
        self.inner.adopted.store(era.0, SeqCst);
        self.inner.settled.notify_one();
    }

    /// Told when [`Cache::settle`] was called.
    pub fn settled(&self) -> Arc<Notify> {
        self.inner.settled.clone()
    }

    /// Whether a file without a row is one that nobody wants: the index is on the disk, and all that a crash or its
    /// loss has left is adopted.
    pub fn is_settled(&self) -> bool {
        let standing = self.inner.index.standing();
        standing.is_some_and(|standing| self.inner.is_settled(standing))
    }

    /// Lists files that are what their names say, and are on the disk with their names.
    pub async fn adopt(&self, whole: Vec<Examined>) -> Result<Adopted, CacheError> {
        let inner = self.inner.clone();
        blocking(move || {
            let mut done = Adopted::default();
            for batch in whole.chunks(BATCH) {
                inner.adopt(batch, &mut done)?;
            }
            Ok(done)
        })
        .await
    }

    /// Files without a row that are not what their names say. They are to be removed.
    pub async fn condemn_unlisted(&self, wrong: Vec<Examined>) -> Result<Vec<Condemned>, CacheError> {
        let inner = self.inner.clone();
        blocking(move || {
            let condemned = wrong.iter().map(|file| inner.condemn_unlisted(file));
            condemned.filter_map(Result::transpose).collect()
        })
        .await
    }
}

impl Inner {
    pub(super) fn is_settled(&self, standing: Standing) -> bool {
        self.adopted.load(SeqCst) == standing.losses
    }

    /// One transaction.
    fn adopt(&self, batch: &[Examined], done: &mut Adopted) -> Result<(), CacheError> {
        // Until all is listed: nobody may move a file before.
        let mut tickets = Vec::new();
        let mut commands = Vec::new();
        let mut adopted = Adopted::default();
        for file in batch {
            let digest = file.digest;
            // A client may have asked for it meanwhile: its fill takes the file over, and the row with it.
            let Some(ticket) = self.admission.begin(&digest) else {
                continue;
            };
            if self.distrusted.contains(&digest) || self.is_listed(&digest)? {
                continue;
            }
            match self.stamp(&digest)? {
                None => continue,
                Some(stamp) if stamp != file.stamp => {
                    adopted.changed.push(digest);
                    continue;
                }
                Some(_) => {}
            }
            let fill = or_damaged(self.index.fill(&digest))?;
            let shown_to = fill.map(|fill| fill.repository);
            commands.push(Command::Publish {
                digest,
                size: file.stamp.size,
                shown_to,
            });
            tickets.push(ticket);
        }
        let shown: Vec<bool> = commands
            .iter()
            .map(|command| {
                matches!(
                    command,
                    Command::Publish {
                        shown_to: Some(_),
                        ..
                    }
                )
            })
            .collect();
        for (answer, shown) in self.index.ask_all_blocking(commands).into_iter().zip(shown) {
            match (answer.map_err(|error| error.during(OPERATION, &""))?, shown) {
                (Done::Redundant(_), _) => {}
                (_, true) => adopted.shown += 1,
                (_, false) => adopted.hidden += 1,
            }
        }
        drop(tickets);
        done.shown += adopted.shown;
        done.hidden += adopted.hidden;
        done.changed.append(&mut adopted.changed);
        Ok(())
    }

    fn condemn_unlisted(&self, file: &Examined) -> Result<Option<Condemned>, CacheError> {
        let digest = &file.digest;
        let Some(doom) = self.admission.doom_alone(digest) else {
            return Ok(None);
        };
        let Some(standing) = self.index.standing() else {
            return Err(self.index.refusal().during(OPERATION, digest));
        };
        let unlisted = !self.is_listed(digest)?;
        let is_that = self.stamp(digest)? == Some(file.stamp);
        // What said so must have been the index that knows.
        let sure = unlisted && is_that && self.index.standing() == Some(standing);
        Ok(sure.then(|| Condemned::new(doom, file.stamp.size)))
    }

    fn is_listed(&self, digest: &Digest) -> Result<bool, CacheError> {
        Ok(or_damaged(self.index.blob_row(digest))?.is_some())
    }

    /// Of the file under `blobs/`, if there is one.
    fn stamp(&self, digest: &Digest) -> Result<Option<Stamp>, CacheError> {
        match self.disk.stat(&self.layout.blob(digest)) {
            Ok(file) => Ok(Some(Stamp::of(&file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(CacheError::io("look at the blob", digest, error)),
        }
    }
}

/// A row that cannot be read is as good as none: what comes next replaces it.
pub(super) fn or_damaged<T>(row: Result<Option<T>, CacheError>) -> Result<Option<T>, CacheError> {
    match row {
        Err(error) if error.kind() == Kind::Corrupt => Ok(None),
        row => row,
    }
}
