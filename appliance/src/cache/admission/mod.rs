//! Who may begin a fill: one per digest, and only while there is room.
//!
//! | file | what |
//! |---|---|
//! | [`ticket`] | the right to fill one digest, and the room for it |
//! | [`ledger`] | what was promised to all who have one, and what they leave |
//! | [`glance`] | the filesystem's room, beside what is being written |
//! | [`refused`] | what the filesystem refused all the same |
//! | [`doom`] | digests whose files are about to be removed |
//!
//! Promises: what was promised to running fills counts as used, so that two fills are never admitted to the
//! same room; a promise ends with its [`Ticket`], however the fill ends, and what the fill leaves behind is counted
//! from that moment on ([`super::leftovers`]). A filesystem that reports no inodes has no inode limit. Must not know: what a
//! fill writes, or how.

mod doom;
mod glance;
mod ledger;
mod refused;
mod ticket;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::oci::Digest;

use super::{
    ballast,
    error::{CacheError, Kind, Resource},
    eviction::Amount,
    index::Sums,
    leftovers::Leftover,
    space::Space,
};
use ledger::{Leaves, Partials, Promise, Running};

use glance::Moved;

pub use refused::Refusal;

pub(super) use doom::Doom;
pub(super) use glance::Glance;
pub(super) use ticket::{FileNeed, Need, Ticket};

/// The limits, and the promises that were made.
#[derive(Debug)]
pub(super) struct Admission {
    max_bytes: Option<u64>,
    max_inodes: Option<u64>,
    stop: f64,
    partials: Mutex<Partials>,
    /// Whose files are about to be removed, and how many say so.
    doomed: Mutex<HashMap<Digest, u32>>,
    /// What went from promises to the filesystem.
    moved: Moved,
    /// The most that was refused for lack of room since somebody asked.
    wanted: AtomicU64,
    refused: refused::Refused,
}

/// What comes with content and is not it: the house's small files, and the filesystem's own blocks. In bytes: a
/// two-hundredth of the filesystem. The growth of databases is none of it: [`Space`] takes that for used.
fn overhead(space: Space) -> u64 {
    (space.bytes / 200).min(64 << 20)
}

/// Files that come with content and are not it: the log of uses while it is written anew, the history; and the
/// ballast, which [`Space`] takes for free.
fn extra_files(space: Space) -> u64 {
    2 * ballast::size(space.inodes)
}

impl Admission {
    /// The part of any limit above which nothing is stored.
    pub(super) fn stop(&self) -> f64 {
        self.stop
    }

    pub(super) fn new(max_bytes: Option<u64>, max_inodes: Option<u64>, stop: f64) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            max_inodes,
            stop,
            partials: Mutex::default(),
            doomed: Mutex::default(),
            moved: Moved::default(),
            wanted: AtomicU64::new(0),
            refused: refused::Refused::default(),
        })
    }

    /// The only ticket for a digest; `None` while another is out.
    pub(super) fn begin(self: &Arc<Self>, digest: &Digest) -> Option<Ticket> {
        let mut partials = self.partials.lock();
        // What is removed a moment later must not be published a moment before.
        if partials.running.contains_key(digest) || self.doomed.lock().contains_key(digest) {
            return None;
        }
        let before = partials.left.take(digest);
        let promise = before.map_or(Promise::default(), |before| Promise {
            whole: before.bytes,
            files: 1,
            ..Promise::default()
        });
        let running = Running {
            promise,
            leaves: Leaves::Perhaps(before),
        };
        partials.running.insert(*digest, running);
        Some(Ticket {
            admission: self.clone(),
            digest: *digest,
        })
    }

    /// Keeps a digest from being filled until its file is removed, by all who have doomed it. `None` while it is being
    /// filled.
    pub(super) fn doom(self: &Arc<Self>, digest: &Digest) -> Option<Doom> {
        // The same order of locks as in `begin`.
        let partials = self.partials.lock();
        if partials.running.contains_key(digest) {
            return None;
        }
        *self.doomed.lock().entry(*digest).or_default() += 1;
        Some(Doom {
            admission: self.clone(),
            digest: *digest,
        })
    }

    /// The same, for one who does not know that the digest is off the list: `None` also when it is doomed already,
    /// for then somebody else sees to its file.
    pub(super) fn doom_alone(self: &Arc<Self>, digest: &Digest) -> Option<Doom> {
        // The same order of locks as in `begin`.
        let partials = self.partials.lock();
        let mut doomed = self.doomed.lock();
        if partials.running.contains_key(digest) || doomed.contains_key(digest) {
            return None;
        }
        doomed.insert(*digest, 1);
        drop(doomed);
        drop(partials);
        Some(Doom {
            admission: self.clone(),
            digest: *digest,
        })
    }

    /// Whether something found no room since.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Relaxed) > 0 || self.refused.is_any()
    }

    /// The largest blob that found no room since the last call, in bytes.
    pub(super) fn take_wanted(&self) -> u64 {
        self.wanted.swap(0, Relaxed)
    }

    pub(super) fn is_running(&self, digest: &Digest) -> bool {
        self.partials.lock().running.contains_key(digest)
    }

    fn sum(&self) -> Promise {
        self.partials.lock().sum()
    }

    /// What partials take, for the cache's own limits: of the bytes of the running ones all that was promised.
    pub(super) fn promised(&self) -> Amount {
        let sum = self.sum();
        Amount::new(sum.whole, sum.files)
    }

    /// Of which by those that nobody fills.
    pub(super) fn left(&self) -> Amount {
        self.partials.lock().left.amount()
    }

    /// What nobody fills and nobody is about to remove.
    pub(super) fn leftovers(&self) -> Vec<(Digest, Leftover)> {
        let partials = self.partials.lock();
        let doomed = self.doomed.lock();
        let all = partials
            .left
            .iter()
            .filter(|(digest, _)| !doomed.contains_key(*digest));
        all.map(|(digest, leftover)| (*digest, *leftover)).collect()
    }

    pub(super) fn leftover(&self, digest: &Digest) -> Option<Leftover> {
        self.partials.lock().left.get(digest)
    }

    /// Of what nobody fills, what may be gone: to be looked at.
    pub(super) fn take_doubtful(&self) -> Vec<Digest> {
        self.partials.lock().left.take_doubtful()
    }

    /// Whether content may go into the index, which costs bytes and no inode.
    pub(super) fn admit_inline(
        &self,
        digest: &Digest,
        size: u64,
        glance: &Glance,
        sums: &Sums,
    ) -> Result<(), CacheError> {
        let promised = self.sum();
        let (space, (missed, _)) = (glance.space, self.since(glance));
        let passes = |used: u64, limit: u64| limit > 0 && (used + size) as f64 > limit as f64 * self.stop;
        let own = sums.file_bytes + sums.inline_bytes + promised.whole;
        let disk = space.bytes.saturating_sub(space.free_bytes) + promised.left + missed + overhead(space);
        for (used, limit, what) in [
            (own, self.max_bytes.unwrap_or(0), "cache.max_bytes"),
            (disk, space.bytes, "the filesystem"),
        ] {
            if passes(used, limit) {
                let reason = format!("{used} of {limit} bytes of {what} are used, {size} more are too many");
                let kind = Kind::Full(Resource::Bytes);
                return Err(CacheError::refused("store in the index", digest, kind, reason));
            }
        }
        Ok(())
    }

    /// How many files are about to be removed.
    pub(super) fn doomed(&self) -> u64 {
        self.doomed.lock().len() as u64
    }

    /// How many fills are running.
    pub(super) fn running(&self) -> u64 {
        self.partials.lock().running.len() as u64
    }
}
