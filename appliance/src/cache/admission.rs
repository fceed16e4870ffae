//! Who may begin a fill: one per digest, and only while there is room.
//!
//! Promises: what was promised to running fills counts as used, so that two fills are never admitted to the
//! same room; a promise ends with its [`Ticket`], however the fill ends, and what the fill leaves behind is counted
//! from that moment on ([`Leftovers`]). A filesystem that reports no inodes has no inode limit. Must not know: what a
//! fill writes, or how.

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
    disk::Space,
    error::{CacheError, Kind, Resource},
    eviction::Amount,
    index::Sums,
    leftovers::{Leftover, Leftovers},
};

/// The limits, and the promises that were made.
#[derive(Debug)]
pub(super) struct Admission {
    max_bytes: Option<u64>,
    max_inodes: Option<u64>,
    stop: f64,
    partials: Mutex<Partials>,
    /// Whose files are about to be removed, and how many say so.
    doomed: Mutex<HashMap<Digest, u32>>,
    /// The most that was refused for lack of room since somebody asked.
    wanted: AtomicU64,
}

/// Partials, those that are being filled and the others. A digest is in one of them at most.
#[derive(Debug, Default)]
struct Partials {
    running: HashMap<Digest, Running>,
    left: Leftovers,
}

/// A fill's promise, and what there would be if it ended now.
#[derive(Clone, Copy, Debug)]
struct Running {
    promise: Promise,
    leaves: Leaves,
}

/// What a fill leaves behind.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    /// Perhaps what lay there before it began: it has not looked.
    Perhaps(Option<Leftover>),
    Surely(Option<Leftover>),
}

/// What a running fill may still take.
#[derive(Clone, Copy, Debug, Default)]
struct Promise {
    /// Bytes it has and will have, for the cache's own limit.
    whole: u64,
    /// Bytes it has not written yet, for the filesystem's.
    left: u64,
    /// Whether it has a file that the index does not count, or will have.
    files: u64,
    /// Files it has not created yet.
    files_left: u64,
}

/// What a fill needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// The whole blob in bytes, as far as it is known.
    pub(super) whole: u64,
    /// Of which so much is there already.
    pub(super) have: u64,
    pub(super) file: FileNeed,
}

/// Whether the fill's file is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileNeed {
    Exists,
    Create,
}

impl Partials {
    /// All that was promised, and what was left behind: it takes room and is not written any more.
    fn sum(&self) -> Promise {
        let left = self.left.amount();
        let left = Promise {
            whole: left.bytes,
            files: left.inodes,
            ..Promise::default()
        };
        let promises = self.running.values().map(|running| running.promise);
        promises.fold(left, |sum, one| Promise {
            whole: sum.whole + one.whole,
            left: sum.left + one.left,
            files: sum.files + one.files,
            files_left: sum.files_left + one.files_left,
        })
    }
}

/// What comes with content and is not it: the index's growth, which comes in steps, and the filesystem's own
/// blocks. In bytes.
fn overhead(space: Space) -> u64 {
    (space.bytes / 100).min(64 << 20)
}

/// Files that come with content and are not it: the log of uses while it is written anew, the history; and the
/// ballast, which [`Space`] takes for free.
fn extra_files(space: Space) -> u64 {
    2 * ballast::size(space.inodes)
}

/// The right to fill one digest. Dropping it ends the promise.
#[derive(Debug)]
pub(super) struct Ticket {
    admission: Arc<Admission>,
    digest: Digest,
}

impl Admission {
    pub(super) fn new(max_bytes: Option<u64>, max_inodes: Option<u64>, stop: f64) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            max_inodes,
            stop,
            partials: Mutex::default(),
            doomed: Mutex::default(),
            wanted: AtomicU64::new(0),
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
        self.wanted.load(Relaxed) > 0
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
        space: Space,
        sums: &Sums,
    ) -> Result<(), CacheError> {
        let promised = self.sum();
        let passes = |used: u64, limit: u64| limit > 0 && (used + size) as f64 > limit as f64 * self.stop;
        let own = sums.file_bytes + sums.inline_bytes + promised.whole;
        let disk = space.bytes.saturating_sub(space.free_bytes) + promised.left + overhead(space);
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

/// A file that is about to be removed. Dropping it says that it was.
#[derive(Debug)]
pub(super) struct Doom {
    admission: Arc<Admission>,
    digest: Digest,
}

impl Doom {
    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether nobody else is about to remove it.
    pub(super) fn is_only(&self) -> bool {
        self.admission.doomed.lock().get(&self.digest) == Some(&1)
    }
}

impl Drop for Doom {
    fn drop(&mut self) {
        // The same order of locks as in `begin`.
        let mut partials = self.admission.partials.lock();
        let mut doomed = self.admission.doomed.lock();
        // Two can have taken the same digest off the list: a plan, and a person.
        if let Some(count) = doomed.get_mut(&self.digest) {
            *count -= 1;
            if *count == 0 {
                doomed.remove(&self.digest);
                // It can have been a partial, and it can be there still.
                partials.left.doubt(&self.digest);
            }
        }
    }
}

impl Ticket {
    /// Promises the room, or refuses: then it is remembered how much room was missed. `space` is the filesystem's now, `sums` what the index counts.
    pub(super) fn admit(&self, need: Need, space: Space, sums: &Sums) -> Result<(), CacheError> {
        let admitted = self.try_admit(need, space, sums);
        if admitted.is_err() {
            self.admission.wanted.fetch_max(need.whole, Relaxed);
        }
        admitted
    }

    fn try_admit(&self, need: Need, space: Space, sums: &Sums) -> Result<(), CacheError> {
        let it = &self.admission;
        let mut partials = it.partials.lock();
        let Some(running) = partials.running.get_mut(&self.digest) else {
            return Ok(());
        };
        // What lay there before is a part of what it needs.
        running.promise = Promise::default();
        let promised = partials.sum();
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
            let used = space.bytes.saturating_sub(space.free_bytes) + promised.left + overhead(space);
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
            let used =
                space.inodes.saturating_sub(space.free_inodes) + promised.files_left + extra_files(space);
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
    pub(super) fn leaves(&self, leftover: Option<Leftover>) {
        if let Some(running) = self.admission.partials.lock().running.get_mut(&self.digest) {
            running.leaves = Leaves::Surely(leftover);
        }
    }

    /// The file is there: the filesystem counts its inode now.
    pub(super) fn created(&self) {
        self.change(|promise| promise.files_left = 0);
    }

    /// The file is so long now, of which `more` bytes are new: the filesystem counts them from now on.
    pub(super) fn written(&self, more: u64, length: u64) {
        self.change(|promise| {
            promise.left = promise.left.saturating_sub(more);
            promise.whole = promise.whole.max(length);
        });
    }

    /// The file is empty again.
    pub(super) fn restarted(&self) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    const SPACE: Space = Space {
        bytes: 1000,
        free_bytes: 900,
        inodes: 12,
        free_inodes: 7,
    };

    fn need(whole: u64) -> Need {
        Need {
            whole,
            have: 0,
            file: FileNeed::Create,
        }
    }

    fn ticket(admission: &Arc<Admission>, name: u8) -> Ticket {
        admission
            .begin(&Digest::of(Algorithm::Sha256, &[name]))
            .expect("nobody else")
    }

    #[test]
    fn what_is_promised_is_used() {
        let admission = Admission::new(None, None, 0.98);
        let first = ticket(&admission, 1);
        first.admit(need(600), SPACE, &Sums::default()).expect("room");
        let second = ticket(&admission, 2);
        let refused = second.admit(need(300), SPACE, &Sums::default());
        assert_eq!(refused.expect_err("promised").kind(), Kind::Full(Resource::Bytes));
        first.written(500, 500);
        let later = Space {
            free_bytes: 400,
            ..SPACE
        };
        second.admit(need(270), later, &Sums::default()).expect("room");
        drop(second);
        drop(first);
        assert_eq!(admission.running(), 0);
    }

    #[test]
    fn inodes_are_a_limit_only_where_there_is_one() {
        let admission = Admission::new(None, None, 0.98);
        let none_left = Space {
            free_inodes: 1,
            ..SPACE
        };
        let one = ticket(&admission, 1);
        let refused = one.admit(need(1), none_left, &Sums::default());
        assert_eq!(refused.expect_err("none").kind(), Kind::Full(Resource::Inodes));
        let unlimited = Space {
            inodes: 0,
            free_inodes: 0,
            ..SPACE
        };
        one.admit(need(1), unlimited, &Sums::default()).expect("no limit");
    }

    #[test]
    fn the_caches_own_limits_hold() {
        let admission = Admission::new(Some(100), Some(2), 1.0);
        let sums = Sums {
            file_bytes: 60,
            files: 1,
            ..Sums::default()
        };
        let one = ticket(&admission, 1);
        let refused = one.admit(need(50), SPACE, &sums);
        assert_eq!(refused.expect_err("bytes").kind(), Kind::Full(Resource::Bytes));
        one.admit(need(10), SPACE, &sums).expect("room");
        let refused = ticket(&admission, 2).admit(need(10), SPACE, &sums);
        assert_eq!(refused.expect_err("files").kind(), Kind::Full(Resource::Inodes));
    }

    #[test]
    fn what_two_doomed_is_filled_when_both_are_done() {
        let admission = Admission::new(None, None, 1.0);
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let one = admission.doom(&digest).expect("nobody fills it");
        let other = admission.doom(&digest).expect("nobody fills it");
        drop(other);
        assert!(
            admission.begin(&digest).is_none(),
            "its file is still to be removed"
        );
        drop(one);
        assert!(admission.begin(&digest).is_some());
    }

    #[test]
    fn one_ticket_per_digest() {
        let admission = Admission::new(None, None, 1.0);
        let one = ticket(&admission, 1);
        assert!(admission.begin(&one.digest).is_none());
        let digest = one.digest;
        assert!(admission.doom(&digest).is_none(), "it is being filled");
        drop(one);
        assert!(admission.begin(&digest).is_some());
    }

    #[test]
    fn what_a_fill_left_is_used_until_it_is_gone_or_goes_on() {
        let admission = Admission::new(Some(100), Some(1), 1.0);
        let one = ticket(&admission, 1);
        one.admit(need(90), SPACE, &Sums::default()).expect("room");
        let leftover = Leftover {
            bytes: 40,
            since: crate::clock::Timestamp(1),
        };
        one.leaves(Some(leftover));
        assert_eq!(admission.promised(), Amount::new(90, 1));
        let digest = one.digest;
        drop(one);
        assert_eq!(admission.promised(), Amount::new(40, 1));
        let other = ticket(&admission, 2);
        let refused = other.admit(need(70), SPACE, &Sums::default());
        assert_eq!(refused.expect_err("bytes").kind(), Kind::Full(Resource::Bytes));
        let refused = other.admit(need(60), SPACE, &Sums::default());
        assert_eq!(refused.expect_err("files").kind(), Kind::Full(Resource::Inodes));
        // It goes on, and counts once.
        let again = ticket(&admission, 1);
        assert_eq!(admission.promised(), Amount::new(40, 1));
        let all = Need {
            whole: 100,
            have: 40,
            file: FileNeed::Exists,
        };
        again.admit(all, SPACE, &Sums::default()).expect("its own room");
        assert_eq!(admission.promised(), Amount::new(100, 1));
        drop(again);
        // Nobody said what became of it.
        assert_eq!(admission.promised(), Amount::new(40, 1));
        assert_eq!(admission.take_doubtful(), [digest]);
        drop(admission.doom(&digest).expect("nobody fills it"));
        assert_eq!(admission.take_doubtful(), [digest]);
        let last = ticket(&admission, 1);
        last.leaves(None);
        drop(last);
        assert_eq!(admission.promised(), Amount::NOTHING);
    }

    #[test]
    fn what_is_doomed_is_not_doomed_by_who_does_not_know() {
        let admission = Admission::new(None, None, 1.0);
        let digest = Digest::of(Algorithm::Sha256, b"1");
        let doom = admission.doom_alone(&digest).expect("nobody else");
        assert!(
            admission.doom_alone(&digest).is_none(),
            "its end would be the first one's"
        );
        assert!(admission.begin(&digest).is_none());
        assert_eq!(admission.doomed(), 1);
        drop(doom);
        assert!(admission.begin(&digest).is_some());
    }
}
