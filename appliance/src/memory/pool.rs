//! The pool, its permits, and the buffers that carry them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// The unit of accounting in bytes. A semaphore counts in `u32`; pages keep the sum in range and are what
/// the allocator hands out anyway.
const PAGE: usize = 4096;

/// What a released buffer is overwritten with in debug builds.
const POISON: u8 = 0xDD;

/// A shared budget. Clones are the same pool.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    free: Arc<Semaphore>,
    capacity_pages: usize,
    acquired: AtomicU64,
    released: AtomicU64,
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
        Permit {
            under: None,
            room,
            pool: self.0.clone(),
        }
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

/// Room in the pool. Dropping it gives the room back.
pub struct Permit {
    /// The same room in the whole, when this is of a part.
    under: Option<Box<Permit>>,
    room: OwnedSemaphorePermit,
    pool: Arc<Inner>,
}

impl Permit {
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
        Buffer {
            bytes,
            permit: Some(self),
        }
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

/// Bytes that carry their permit. The permit is returned when the buffer is dropped.
#[derive(Debug)]
pub struct Buffer {
    bytes: Bytes,
    permit: Option<Permit>,
}

impl Buffer {
    /// Bytes that need no permit of the buffer's own: they carry one ([`Permit::share`]), or are not in memory
    /// on their own account (a mapped file, a constant).
    pub fn borrowed(bytes: Bytes) -> Self {
        Self { bytes, permit: None }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `length` bytes of it, under the whole permit.
    #[must_use]
    pub fn truncated(mut self, length: usize) -> Self {
        self.bytes.truncate(length);
        self
    }
}

impl Buf for Buffer {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // Memory is overwritten *before* its permit goes back, so that a release that comes too early shows
        // as nonsense in a test and not as another request's data in production.
        if cfg!(debug_assertions) && self.permit.is_some() {
            poison(std::mem::take(&mut self.bytes));
        }
    }
}

/// Overwrites memory that nobody else holds, and gives it back.
fn poison(bytes: Bytes) -> Option<BytesMut> {
    let mut memory = bytes.try_into_mut().ok()?;
    memory.fill(POISON);
    Some(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_dropped_buffer_returns_its_room() {
        let pool = Pool::new(64 << 10);
        let buffer = pool
            .acquire(10_000, LONG)
            .await
            .expect("room")
            .cover(Bytes::from(vec![1; 5_000]));
        assert_eq!(pool.usage().in_use, 8192, "shrunk to what it covers, in pages");
        drop(buffer);
        assert_eq!(pool.usage().in_use, 0);
        assert_eq!(pool.usage().acquired, pool.usage().released);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_pool_makes_wait_and_then_says_so() {
        let pool = Pool::new(8192);
        let held = pool.acquire(8192, LONG).await.expect("room");
        assert!(pool.try_acquire(1).is_none());
        let refused = pool.acquire(1, Duration::from_secs(5)).await;
        assert_eq!(refused.expect_err("full"), Exhausted { capacity: 8192 });
        assert_eq!(pool.usage().exhausted, 1);
        assert_eq!(pool.usage().waiting, 0);
        drop(held);
        assert!(pool.try_acquire(8192).is_some());
    }

    #[tokio::test]
    async fn one_thing_larger_than_the_pool_gets_all_of_it() {
        let pool = Pool::new(8192);
        let all = pool.acquire(1 << 20, LONG).await.expect("room");
        assert_eq!(all.bytes(), 8192);
        drop(all);
        assert_eq!(pool.usage().in_use, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_draws_from_a_part_cannot_use_up_the_whole() {
        let whole = Pool::new(64 << 10);
        let part = whole.part(32 << 10);
        let mut held = part.acquire(32 << 10, LONG).await.expect("room");
        assert!(part.try_acquire(1).is_none());
        assert!(part.acquire(1, Duration::from_secs(1)).await.is_err());
        assert_eq!(whole.usage().in_use, 32 << 10);
        let rest = whole.try_acquire(32 << 10).expect("the other half");
        held.shrink_to(8192);
        assert_eq!(whole.usage().in_use, (32 << 10) + 8192);
        drop((held, rest));
        assert_eq!((whole.usage().in_use, part.usage().in_use), (0, 0));
        assert!(part.try_acquire(32 << 10).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn shared_bytes_hold_their_room_until_the_last_clone_is_gone() {
        let pool = Pool::new(16 << 10);
        let mut permit = pool.acquire(1, LONG).await.expect("room");
        permit.grow_to(9_000, LONG).await.expect("more room");
        assert_eq!(pool.usage().in_use, 12 << 10);
        assert!(permit.grow_to(1 << 20, LONG).await.is_ok(), "all there is");
        assert_eq!(pool.usage().in_use, 16 << 10);
        let bytes = permit.share(Bytes::from(vec![5; 5_000]));
        assert_eq!(pool.usage().in_use, 8192);
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!((pool.usage().in_use, &part[..]), (8192, &[5; 10][..]));
        drop(part);
        assert_eq!(pool.usage().in_use, 0);
        assert_eq!(pool.usage().acquired, pool.usage().released);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_cannot_grow_stays_as_it_is() {
        let whole = Pool::new(16 << 10);
        let part = whole.part(16 << 10);
        let mut permit = part.acquire(4096, LONG).await.expect("room");
        let other = part.acquire(8192, LONG).await.expect("room");
        assert!(permit.grow_to(12 << 10, Duration::from_secs(1)).await.is_err());
        assert_eq!((whole.usage().in_use, part.usage().in_use), (12 << 10, 12 << 10));
        drop(other);
        permit.grow_to(12 << 10, LONG).await.expect("room now");
        assert_eq!((whole.usage().in_use, part.usage().in_use), (12 << 10, 12 << 10));
        drop(permit);
        assert_eq!((whole.usage().in_use, part.usage().in_use), (0, 0));
    }

    #[tokio::test]
    async fn a_cancelled_waiter_leaves_nothing_behind() {
        let pool = Pool::new(4096);
        let held = pool.acquire(1, LONG).await.expect("room");
        let mut waiter = Box::pin(pool.acquire(1, LONG));
        assert!(futures_util::poll!(waiter.as_mut()).is_pending());
        assert_eq!(pool.usage().waiting, 1);
        drop(waiter);
        drop(held);
        assert_eq!((pool.usage().waiting, pool.usage().in_use), (0, 0));
    }

    #[test]
    fn released_memory_is_poisoned_unless_somebody_holds_it() {
        let poisoned = poison(Bytes::from(vec![7; 16])).expect("nobody else holds it");
        assert_eq!(poisoned[..], [POISON; 16]);
        let held = Bytes::from(vec![7; 16]);
        assert!(poison(held.clone()).is_none());
        assert_eq!(held[..], [7; 16]);
    }
}
