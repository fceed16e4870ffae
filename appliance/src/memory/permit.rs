//! Room in a pool, and bytes that hold it together.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    buffer::Buffer,
    pool::{Exhausted, Inner, PAGE, Pool},
};

/// Room in the pool. Dropping it gives the room back.
pub struct Permit {
    /// The same room in the whole, when this is of a part.
    pub(super) under: Option<Box<Permit>>,
    room: OwnedSemaphorePermit,
    pool: Arc<Inner>,
}

impl Permit {
    pub(super) fn new(room: OwnedSemaphorePermit, pool: Arc<Inner>) -> Self {
        Self {
            under: None,
            room,
            pool,
        }
    }

    /// The room it stands for, in bytes (whole pages).
    pub fn bytes(&self) -> usize {
        self.room.num_permits() * PAGE
    }

    /// Gives back what is not needed to cover `bytes`. Never grows.
    pub fn shrink_to(&mut self, bytes: usize) {
        if let Some(under) = &mut self.under {
            under.shrink_to(bytes);
        }
        let surplus = self
            .room
            .num_permits()
            .saturating_sub(bytes.div_ceil(PAGE).max(1));
        if let Some(returned) = self.room.split(surplus) {
            self.pool
                .released
                .fetch_add((returned.num_permits() * PAGE) as u64, Relaxed);
        }
    }

    /// Room for `bytes` in all, waiting for what it lacks, at most `patience`.
    pub async fn grow_to(&mut self, bytes: usize, patience: Duration) -> Result<(), Exhausted> {
        let lacking = bytes.saturating_sub(self.bytes());
        if lacking == 0 {
            return Ok(());
        }
        let pool = Pool(self.pool.clone());
        let whole = pool.0.capacity_pages * PAGE;
        // All there is covers anything, as when it is taken at once.
        let lacking = lacking.min(whole.saturating_sub(self.bytes()));
        if lacking > 0 {
            let more = pool.acquire(lacking, patience).await?;
            self.merge(more);
        }
        Ok(())
    }

    fn merge(&mut self, mut other: Self) {
        if let (Some(mine), Some(others)) = (&mut self.under, other.under.take()) {
            mine.merge(*others);
        }
        if let Some(room) = other.room.split(other.room.num_permits()) {
            self.room.merge(room);
        }
    }

    /// Bytes that carry the permit until their last clone is gone.
    #[must_use]
    pub fn share(mut self, bytes: Bytes) -> Bytes {
        self.shrink_to(bytes.len());
        Bytes::from_owner(Shared { bytes, _permit: self })
    }

    /// Puts the permit into the buffer it covers.
    pub fn cover(mut self, bytes: Bytes) -> Buffer {
        self.shrink_to(bytes.len());
        Buffer::new(bytes, self)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.released.fetch_add(self.bytes() as u64, Relaxed);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({} bytes)", self.bytes())
    }
}

/// What the clones of [`Permit::share`] hold together.
struct Shared {
    // Dropped in this order: the memory goes before its permit.
    bytes: Bytes,
    _permit: Permit,
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
