//! Getting a partial to the disk while it grows.
//!
//! Every [`STRIDE`] bytes the file is synced on the blocking pool, beside the appends, and the index is told
//! how far it got: that much survives a power cut, and little is left to sync when the blob is published.
//! Promises: a failed sync is remembered, because the kernel reports it once and then takes the lost pages
//! for clean; a sync of a file that was restarted or ended since tells nobody. Must not know: the hash.

use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
};

use parking_lot::Mutex;

use crate::oci::Digest;

use super::{
    cache::Inner,
    error::{CacheError, Kind},
    index::Command,
};

/// After how many bytes a partial is synced: at most this much of a fill is lost in a power cut, and a small
/// box's disk writes it in well under a second.
pub(super) const STRIDE: u64 = 16 << 20;

/// The state of one file's syncs.
#[derive(Clone, Debug)]
pub(super) struct Syncing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: Arc<File>,
    path: PathBuf,
    digest: Digest,
    busy: AtomicBool,
    failed: AtomicBool,
    mark: Mutex<Mark>,
}

#[derive(Debug)]
struct Mark {
    /// The length at which the last sync was begun.
    at: u64,
    /// Counts restarts; `None` once the fill has ended.
    life: Option<u64>,
}

impl Syncing {
    pub(super) fn new(file: Arc<File>, path: PathBuf, digest: Digest, length: u64) -> Self {
        Self(Arc::new(Shared {
            file,
            path,
            digest,
            busy: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            mark: Mutex::new(Mark {
                at: length,
                life: Some(0),
            }),
        }))
    }

    /// Begins a sync if enough was written since the last and none is running.
    pub(super) fn advance(&self, inner: &Arc<Inner>, length: u64) {
        let mut mark = self.0.mark.lock();
        let Some(life) = mark.life else { return };
        if length < mark.at + STRIDE || self.0.busy.swap(true, AcqRel) {
            return;
        }
        mark.at = length;
        drop(mark);
        let (it, inner) = (self.0.clone(), inner.clone());
        let work = move || {
            let result = inner.disk.sync(&it.file, &it.path);
            if let Err(error) = result {
                // What was taken into the page cache can be refused as late as here.
                inner.lacking(&error, 0);
                tracing::warn!(digest = %it.digest, cause = %error, "a partial could not be synced");
                it.failed.store(true, Release);
            } else {
                let mark = it.mark.lock();
                if mark.life == Some(life) {
                    inner.index.tell(Command::FillSynced {
                        digest: it.digest,
                        synced: length,
                    });
                }
            }
            it.busy.store(false, Release);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(work)),
            Err(_) => work(),
        }
    }

    /// An error if a sync has failed: what was written before is not to be trusted.
    pub(super) fn check(&self, digest: &Digest) -> Result<(), CacheError> {
        if self.has_failed() {
            return Err(CacheError::refused(
                "store the blob",
                digest,
                Kind::Io,
                "an earlier part of it could not be synced",
            ));
        }
        Ok(())
    }

    pub(super) fn has_failed(&self) -> bool {
        self.0.failed.load(Acquire)
    }

    /// The file is empty again.
    pub(super) fn restart(&self) {
        let mut mark = self.0.mark.lock();
        mark.at = 0;
        mark.life = mark.life.map(|life| life + 1);
    }

    /// The fill has ended.
    pub(super) fn end(&self) {
        self.0.mark.lock().life = None;
    }
}
