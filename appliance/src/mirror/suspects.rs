//! Sources that sent wrong bytes for a digest: the next fill of it asks the others first.
//!
//! A mismatch shows only when all has come, and by then clients have been reset. With a second source the
//! next pull must be right, whichever of them keeps lying.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{oci::Digest, source::SourceName};

/// Digests remembered at most. When it is full, all are forgotten.
const LIMIT: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Suspects(Mutex<HashMap<Digest, Vec<SourceName>>>);

impl Suspects {
    pub(super) fn blame(&self, digest: &Digest, sources: impl IntoIterator<Item = SourceName>) {
        let mut known = self.0.lock();
        if known.len() >= LIMIT {
            known.clear();
        }
        let blamed = known.entry(*digest).or_default();
        for source in sources {
            if !blamed.contains(&source) {
                blamed.push(source);
            }
        }
    }

    pub(super) fn of(&self, digest: &Digest) -> Vec<SourceName> {
        self.0.lock().get(digest).cloned().unwrap_or_default()
    }

    /// The digest came right after all.
    pub(super) fn clear(&self, digest: &Digest) {
        let mut known = self.0.lock();
        if !known.is_empty() {
            known.remove(digest);
        }
    }
}
