//! A look at the filesystem's room that misses nothing of what is written meanwhile.
//!
//! What a fill writes moves from what it was promised to what the filesystem counts. Who asks the filesystem first and
//! looks at the promises afterwards finds it in neither. Therefore what was written is counted as well, and the count is
//! looked at before the filesystem is asked: whatever was written since is taken to be in neither, which may count it
//! twice for a moment.
//!
//! Promises: never less than there is; no lock is held while the filesystem is asked. Must not know: what it is for.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::{super::space::Space, Admission};

/// All that fills have written, and the files they have created, since the start.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) bytes: AtomicU64,
    files: AtomicU64,
}

impl Moved {
    /// To be told after it was done, and before the promise gets smaller.
    pub(super) fn written(&self, more: u64) {
        self.bytes.fetch_add(more, SeqCst);
    }

    /// The same of a file.
    pub(super) fn created(&self) {
        self.files.fetch_add(1, SeqCst);
    }
}

/// The filesystem's room, and what had been written before it was asked.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Glance {
    pub(in crate::cache) space: Space,
    bytes: u64,
    files: u64,
}

impl Admission {
    /// Asks for the filesystem's room.
    pub(in crate::cache) fn glance(&self, ask: impl FnOnce() -> Space) -> Glance {
        let (bytes, files) = (self.moved.bytes.load(SeqCst), self.moved.files.load(SeqCst));
        Glance {
            space: ask(),
            bytes,
            files,
        }
    }

    /// What was written and created since a glance: bytes and files that it may have missed.
    pub(super) fn since(&self, glance: &Glance) -> (u64, u64) {
        let (bytes, files) = (self.moved.bytes.load(SeqCst), self.moved.files.load(SeqCst));
        (bytes - glance.bytes, files - glance.files)
    }
}
