//! The pool: how much there is, who has it, who waits.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::permit::Permit;

/// The unit of accounting in bytes. A semaphore counts in `u32`; pages keep the sum in range and are what
/// the allocator hands out anyway.
pub(super) const PAGE: usize = 4096;

/// A shared budget. Clones are the same pool.
#[derive(Clone)]
pub struct Pool(pub(super) Arc<Inner>);

pub(super) struct Inner {
    free: Arc<Semaphore>,
    pub(super) capacity_pages: usize,
    acquired: AtomicU64,
    pub(super) released: AtomicU64,
    waiting: AtomicU64,
    exhausted: AtomicU64,
    /// Whose part this is: what is taken here is taken there as well.
    whole: Option<Pool>,
}

/// Nothing came free before the deadline: the fault is this box's, and a later try can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("all {capacity} bytes for data in flight (fetch.buffer_bytes) are in use")]
pub struct Exhausted {
    /// The whole budget, in bytes.
    pub capacity: u64,
}

/// A reading of the pool, in bytes. `in_use` is `acquired - released` and is zero when nothing is in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    pub capacity: u64,
    pub in_use: u64,
    pub acquired: u64,
    pub released: u64,
    /// Tasks waiting for room now.
    pub waiting: u64,
    /// How often a wait ended with [`Exhausted`].
    pub exhausted: u64,
}

impl Pool {
    /// A pool of `capacity` bytes, rounded up to whole pages, at least one.
    pub fn new(capacity: u64) -> Self {
        Self::of(capacity, None)
    }

    /// A part of the pool: at most `capacity` bytes of it, so that those who draw from the part cannot use up
    /// the whole. What they hold counts in the whole, and only there is it to be read.
    #[must_use]
    pub fn part(&self, capacity: u64) -> Self {
        Self::of(capacity, Some(self.clone()))
    }

    fn of(capacity: u64, whole: Option<Pool>) -> Self {
        let pages = usize::try_from(capacity).unwrap_or(usize::MAX).div_ceil(PAGE);
        let capacity_pages = pages.clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self(Arc::new(Inner {
            free: Arc::new(Semaphore::new(capacity_pages)),
            capacity_pages,
            acquired: AtomicU64::new(0),
            released: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            exhausted: AtomicU64::new(0),
            whole,
        }))
    }

    /// Takes room for `bytes`, waiting for it in order of arrival, at most `patience`.
    ///
    /// A request larger than the whole pool is granted the whole pool: it must be possible to serve one
    /// large thing on a small box, alone.
    pub async fn acquire(&self, bytes: usize, patience: Duration) -> Result<Permit, Exhausted> {
        let deadline = Instant::now() + patience;
        let mut permit = self.acquire_here(bytes, deadline).await?;
        if let Some(whole) = &self.0.whole {
            permit.under = Some(Box::new(whole.acquire_here(permit.bytes(), deadline).await?));
        }
        Ok(permit)
    }

    async fn acquire_here(&self, bytes: usize, deadline: Instant) -> Result<Permit, Exhausted> {
        let pages = self.pages(bytes);
        if let Some(permit) = self.take(pages) {
            return Ok(permit);
        }
        let _waiting = Waiting::enter(&self.0.waiting);
        let room = self.0.free.clone().acquire_many_owned(pages);
        match tokio::time::timeout_at(deadline, room).await {
            Ok(Ok(room)) => Ok(self.granted(room)),
            // The semaphore is never closed, so the only other outcome is the deadline.
            _ => {
                self.0.exhausted.fetch_add(1, Relaxed);
                Err(Exhausted {
                    capacity: (self.0.capacity_pages * PAGE) as u64,
                })
            }
        }
    }

    /// Takes room for `bytes` if it is there now and nobody waits for it.
    pub fn try_acquire(&self, bytes: usize) -> Option<Permit> {
        let mut permit = self.take(self.pages(bytes))?;
        if let Some(whole) = &self.0.whole {
            permit.under = Some(Box::new(whole.take(whole.pages(permit.bytes()))?));
        }
        Some(permit)
    }

    pub fn usage(&self) -> PoolUsage {
        let released = self.0.released.load(Relaxed);
        let acquired = self.0.acquired.load(Relaxed);
        PoolUsage {
            capacity: (self.0.capacity_pages * PAGE) as u64,
            in_use: acquired.saturating_sub(released),
            acquired,
            released,
            waiting: self.0.waiting.load(Relaxed),
            exhausted: self.0.exhausted.load(Relaxed),
        }
    }

    fn pages(&self, bytes: usize) -> u32 {
        // In range: the capacity was clamped to u32.
        bytes.div_ceil(PAGE).clamp(1, self.0.capacity_pages) as u32
    }

    fn take(&self, pages: u32) -> Option<Permit> {
        self.0
            .free
            .clone()
            .try_acquire_many_owned(pages)
            .ok()
            .map(|room| self.granted(room))
    }

    fn granted(&self, room: OwnedSemaphorePermit) -> Permit {
        self.0
            .acquired
            .fetch_add((room.num_permits() * PAGE) as u64, Relaxed);
        Permit::new(room, self.0.clone())
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.usage().fmt(f)
    }
}

/// Counts a waiter for as long as it waits, also when it is cancelled.
struct Waiting<'a>(&'a AtomicU64);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
