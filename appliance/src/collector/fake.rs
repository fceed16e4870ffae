//! Hands that do as a test says, and remove files themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{Hands, Removed, Unable};
use crate::{cache::Remains, oci::Digest};

/// How the hands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Able,
    Unable,
}

/// Hands on the cache in a folder.
pub(crate) struct OwnHands {
    folder: PathBuf,
    pub(crate) mood: Mutex<Mood>,
    /// A permit for each time that they may begin.
    pub(crate) gate: Semaphore,
    pub(crate) calls: AtomicUsize,
}

impl OwnHands {
    pub(crate) fn on(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            mood: Mutex::new(Mood::Able),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            calls: AtomicUsize::new(0),
        }
    }
}

impl Hands for OwnHands {
    fn remove(&self, remains: Remains, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        let folder = self.folder.join(match remains {
            Remains::Blob => "blobs",
            Remains::Partial => "fill",
        });
        async move {
            self.calls.fetch_add(1, SeqCst);
            self.gate.acquire().await.expect("open").forget();
            if *self.mood.lock() == Mood::Unable {
                return Err(Unable {
                    why: "the hands are tied".to_owned(),
                    retry_at: None,
                });
            }
            let mut removed = Removed::default();
            for digest in files {
                let path = folder.join(digest.file_name());
                removed.bytes += fs::metadata(&path).map_or(0, |file| file.len());
                removed.files += u64::from(fs::remove_file(&path).is_ok());
            }
            Ok(removed)
        }
        .boxed()
    }
}
