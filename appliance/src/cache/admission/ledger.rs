//! What running fills may still take, and what there would be if they ended now.

use std::collections::HashMap;

use super::super::leftovers::{Leftover, Leftovers};
use crate::oci::Digest;

/// Partials, those that are being filled and the others. A digest is in one of them at most.
#[derive(Debug, Default)]
pub(super) struct Partials {
    pub(super) running: HashMap<Digest, Running>,
    pub(super) left: Leftovers,
}

/// A fill's promise, and what there would be if it ended now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) promise: Promise,
    pub(super) leaves: Leaves,
}

/// What a fill leaves behind.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leaves {
    /// Perhaps what lay there before it began: it has not looked.
    Perhaps(Option<Leftover>),
    Surely(Option<Leftover>),
}

/// What a running fill may still take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promise {
    /// Bytes it has and will have, for the cache's own limit.
    pub(super) whole: u64,
    /// Bytes it has not written yet, for the filesystem's.
    pub(super) left: u64,
    /// Whether it has a file that the index does not count, or will have.
    pub(super) files: u64,
    /// Files it has not created yet.
    pub(super) files_left: u64,
}

impl Partials {
    /// All that was promised, and what was left behind: it takes room and is not written any more.
    pub(super) fn sum(&self) -> Promise {
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
