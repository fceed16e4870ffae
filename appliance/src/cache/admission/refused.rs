//! Room that the filesystem said there was, and did not give.
//!
//! `statvfs` tells the truth of most filesystems. Of one with a quota, or one that keeps its own data apart from the
//! content (btrfs), a write can be refused long before any mark is reached, and nobody would make room.
//!
//! Promises: what was refused is remembered until somebody takes it, with what had been written until then, which says
//! later whether making room was of any use. Must not know: who makes room.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

use super::{Admission, Ticket};

/// What the filesystem refused since somebody asked, and how far it had come until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the fill that was refused still had to write, in bytes; of several, the most.
    pub needed: u64,
    /// All that fills have written since the start, in bytes.
    pub written: u64,
}

/// The most that was refused. 0: nothing.
#[derive(Debug, Default)]
pub(super) struct Refused(AtomicU64);

impl Refused {
    pub(super) fn is_any(&self) -> bool {
        self.0.load(Relaxed) > 0
    }
}

impl Admission {
    /// The filesystem refused to write what it was said to have room for; so many bytes are still to come.
    pub(in crate::cache) fn refused(&self, left: u64) {
        self.refused.0.fetch_max(left.max(1), Relaxed);
    }

    pub(in crate::cache) fn take_refusal(&self) -> Option<Refusal> {
        let needed = self.refused.0.swap(0, Relaxed);
        (needed > 0).then(|| Refusal {
            needed,
            written: self.written(),
        })
    }

    /// All that fills have written since the start, in bytes.
    pub(in crate::cache) fn written(&self) -> u64 {
        self.moved.bytes.load(SeqCst)
    }
}

impl Ticket {
    /// What it was promised and has not written, in bytes.
    pub(in crate::cache) fn left(&self) -> u64 {
        let partials = self.admission.partials.lock();
        let running = partials.running.get(&self.digest);
        running.map_or(0, |running| running.promise.left)
    }
}
