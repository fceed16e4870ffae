//! The right to fill one digest, and the room for it.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{
    super::{
        error::{CacheError, Kind, Resource},
        index::Sums,
        leftovers::Leftover,
    },
    Admission, extra_files,
    glance::Glance,
    ledger::{Leaves, Partials, Promise},
    overhead,
};
use crate::oci::Digest;

/// What a fill needs.
#[derive(Clone, Copy, Debug)]
pub(in crate::cache) struct Need {
    /// The whole blob in bytes, as far as it is known.
    pub(in crate::cache) whole: u64,
    /// Of which so much is there already.
    pub(in crate::cache) have: u64,
    pub(in crate::cache) file: FileNeed,
}

/// Whether the fill's file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache) enum FileNeed {
    Exists,
    Create,
}

/// The right to fill one digest. Dropping it ends the promise.
#[derive(Debug)]
pub(in crate::cache) struct Ticket {
    pub(super) admission: Arc<Admission>,
    pub(super) digest: Digest,
}

impl Ticket {
    /// Promises the room, or refuses: then it is remembered how much room was missed. `sums` is what the index counts.
    pub(in crate::cache) fn admit(&self, need: Need, glance: &Glance, sums: &Sums) -> Result<(), CacheError> {
        let admitted = self.try_admit(need, glance, sums);
        if admitted.is_err() {
            self.admission.wanted.fetch_max(need.whole, Relaxed);
        }
        admitted
    }

    fn try_admit(&self, need: Need, glance: &Glance, sums: &Sums) -> Result<(), CacheError> {
        let it = &self.admission;
        let mut partials = it.partials.lock();
        let Some(running) = partials.running.get_mut(&self.digest) else {
            return Ok(());
        };
        // What lay there before is a part of what it needs.
        running.promise = Promise::default();
        let promised = partials.sum();
        let (space, (missed, missed_files)) = (glance.space, it.since(glance));
        let left = need.whole.saturating_sub(need.have);
        let files_left = u64::from(need.file == FileNeed::Create);
        let full = |resource, what: &str, used: u64, wanted: u64, limit: u64| {
            let reason = format!(
                "{used} of {limit} {what} are used or promised, {wanted} more would pass {} %",
                it.stop * 100.0
            );
            CacheError::refused("begin to store", &self.digest, Kind::Full(resource), reason)
        };
        let passes =
            |used: u64, wanted: u64, limit: u64| used.saturating_add(wanted) as f64 > limit as f64 * it.stop;

        if let Some(limit) = it.max_bytes {
            let used = sums.file_bytes + sums.inline_bytes + promised.whole;
            if passes(used, need.whole, limit) {
                return Err(full(
                    Resource::Bytes,
                    "bytes (cache.max_bytes)",
                    used,
                    need.whole,
                    limit,
                ));
            }
        }
        if let Some(limit) = it.max_inodes {
            let used = sums.files + promised.files;
            if passes(used, 1, limit) {
                return Err(full(Resource::Inodes, "files (cache.max_inodes)", used, 1, limit));
            }
        }
        // A filesystem of no size is one that does not say (some network and FUSE ones).
        if space.bytes > 0 {
            let used =
                space.bytes.saturating_sub(space.free_bytes) + promised.left + missed + overhead(space);
            if passes(used, left, space.bytes) {
                return Err(full(
                    Resource::Bytes,
                    "bytes of the filesystem",
                    used,
                    left,
                    space.bytes,
                ));
            }
        }
        if space.inodes > 0 {
            let used = space.inodes.saturating_sub(space.free_inodes)
                + promised.files_left
                + missed_files
                + extra_files(space);
            if files_left > 0 && passes(used, files_left, space.inodes) {
                return Err(full(
                    Resource::Inodes,
                    "inodes of the filesystem",
                    used,
                    files_left,
                    space.inodes,
                ));
            }
        }
        self.promise_in(&mut partials, |promise| {
            *promise = Promise {
                whole: need.whole.max(need.have),
                left,
                files: 1,
                files_left,
            };
        });
        Ok(())
    }

    /// What lies there when the fill ends, as far as it is known now.
    pub(in crate::cache) fn leaves(&self, leftover: Option<Leftover>) {
        if let Some(running) = self.admission.partials.lock().running.get_mut(&self.digest) {
            running.leaves = Leaves::Surely(leftover);
        }
    }

    /// The file is there: the filesystem counts its inode now.
    pub(in crate::cache) fn created(&self) {
        self.admission.moved.created();
        self.change(|promise| promise.files_left = 0);
    }

    /// The file is so long now, of which `more` bytes are new: the filesystem counts them from now on.
    pub(in crate::cache) fn written(&self, more: u64, length: u64) {
        self.admission.moved.written(more);
        self.change(|promise| {
            promise.left = promise.left.saturating_sub(more);
            promise.whole = promise.whole.max(length);
        });
    }

    /// The file is empty again.
    pub(in crate::cache) fn restarted(&self) {
        self.change(|promise| promise.left = promise.whole);
    }

    fn change(&self, change: impl FnOnce(&mut Promise)) {
        self.promise_in(&mut self.admission.partials.lock(), change);
    }

    fn promise_in(&self, partials: &mut Partials, change: impl FnOnce(&mut Promise)) {
        if let Some(running) = partials.running.get_mut(&self.digest) {
            change(&mut running.promise);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut partials = self.admission.partials.lock();
        let Some(running) = partials.running.remove(&self.digest) else {
            return;
        };
        match running.leaves {
            Leaves::Surely(Some(leftover)) => partials.left.put(self.digest, leftover),
            Leaves::Perhaps(Some(leftover)) => {
                partials.left.put(self.digest, leftover);
                partials.left.doubt(&self.digest);
            }
            Leaves::Surely(None) | Leaves::Perhaps(None) => {}
        }
    }
}
