//! Digests whose files are about to be removed.

use std::sync::Arc;

use super::Admission;
use crate::oci::Digest;

/// A file that is about to be removed. Dropping it says that it was.
#[derive(Debug)]
pub(in crate::cache) struct Doom {
    pub(super) admission: Arc<Admission>,
    pub(super) digest: Digest,
}

impl Doom {
    pub(in crate::cache) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Whether nobody else is about to remove it.
    pub(in crate::cache) fn is_only(&self) -> bool {
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
