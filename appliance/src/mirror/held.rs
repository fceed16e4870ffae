//! Content that is held whole on its way to a client: manifests, and blobs that live in the index.
//!
//! Promises: it carries a permit of the budget for as long as anybody holds it. While it waits for room, nobody
//! holds it.

use std::time::Duration;

use bytes::Bytes;

use super::{Mirror, Unserved};
use crate::{
    cache::{Content, Presence, ReferrersRecord},
    memory::{Exhausted, Permit},
    oci::Manifest,
};

/// How long an answer waits for room. Longer than a moment's crowd; then the client is told to come again.
pub(super) const ROOM: Duration = Duration::from_secs(5);

/// What the index may hand out as bytes.
pub(super) trait Held {
    /// `None` when it is not in memory.
    fn bytes(&mut self) -> Option<&mut Bytes>;
}

impl Held for Manifest {
    fn bytes(&mut self) -> Option<&mut Bytes> {
        Some(&mut self.bytes)
    }
}

impl Held for Content {
    fn bytes(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Inline(bytes) => Some(bytes),
            Self::File(_) => None,
        }
    }
}

impl Held for Presence {
    fn bytes(&mut self) -> Option<&mut Bytes> {
        match self {
            Self::Here(content) => content.bytes(),
            Self::Hidden | Self::Absent => None,
        }
    }
}

impl Mirror {
    /// Puts an answer that was made a moment ago under the budget; it is in memory already, so it does not wait.
    pub fn cover(&self, bytes: Bytes) -> Result<Bytes, Unserved> {
        let small = self.0.budget.small();
        match small.try_acquire(bytes.len()) {
            Some(permit) => Ok(permit.share(bytes)),
            None => Err(Exhausted {
                capacity: small.usage().capacity,
            }
            .into()),
        }
    }

    /// What `look` finds, under the budget. It is looked for again when there is no room at once, so that
    /// those who wait do not hold what they wait for.
    pub(super) async fn held<T: Held>(&self, look: impl Fn() -> T) -> Result<T, Unserved> {
        let small = self.0.budget.small();
        let mut found = look();
        loop {
            let Some(wanted) = found.bytes().map(|bytes| bytes.len()) else {
                return Ok(found);
            };
            if let Some(permit) = small.try_acquire(wanted) {
                return Ok(cover(found, permit));
            }
            drop(found);
            let permit = small.acquire(wanted, ROOM).await?;
            found = look();
            // It is what it was, unless it was replaced within this moment.
            if found.bytes().is_none_or(|bytes| bytes.len() <= wanted) {
                return Ok(cover(found, permit));
            }
        }
    }
}

impl Held for ReferrersRecord {
    fn bytes(&mut self) -> Option<&mut Bytes> {
        Some(&mut self.index)
    }
}

impl<T: Held> Held for Option<T> {
    fn bytes(&mut self) -> Option<&mut Bytes> {
        self.as_mut()?.bytes()
    }
}

fn cover<T: Held>(mut found: T, permit: Permit) -> T {
    if let Some(bytes) = found.bytes() {
        *bytes = permit.share(std::mem::take(bytes));
    }
    found
}
