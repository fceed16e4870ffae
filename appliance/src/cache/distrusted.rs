//! Files under `blobs/` that cannot be read, or at which whoever reads them dies.
//!
//! Promises: each stays where it is until another takes its name; bounded. Must not know: how that was found out.

use std::collections::BTreeSet;

use parking_lot::Mutex;

use crate::oci::Digest;

/// Files that are remembered.
const MOST: usize = 1000;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Distrusted(Mutex<BTreeSet<Digest>>);

impl Distrusted {
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.0.lock().contains(digest)
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.0.lock().remove(digest);
    }

    pub(super) fn insert(&self, digest: Digest) {
        let mut known = self.0.lock();
        if known.len() < MOST {
            known.insert(digest);
        }
    }

    pub(super) fn all(&self) -> Vec<Digest> {
        self.0.lock().iter().copied().collect()
    }
}
