//! How the budget is divided, so that no kind of traffic can take the room of another.
//!
//! ```text
//! fetch.buffer_bytes ─┬─ 3/4 transfers: blobs on their way over the WAN
//!                     │        └─ of which 2/3 at most deliveries: blobs on their way to clients
//!                     └─ 1/4 small: manifests, lists and small blobs, held whole
//! ```
//!
//! Readers that stand still must not stop the fills, and neither may keep a manifest from being answered: a
//! client that waits for a layer has time, one that waits for a manifest goes elsewhere.

use super::{Pool, PoolUsage};

/// The one budget. Clones are the same budget.
#[derive(Clone, Debug)]
pub struct Budget {
    transfers: Pool,
    deliveries: Pool,
    small: Pool,
}

impl Budget {
    /// A budget of `capacity` bytes.
    pub fn new(capacity: u64) -> Self {
        let transfers = Pool::new(capacity - capacity / 4);
        Self {
            deliveries: transfers.part(capacity / 2),
            transfers,
            small: Pool::new(capacity / 4),
        }
    }

    /// For what crosses the WAN in chunks.
    pub fn transfers(&self) -> &Pool {
        &self.transfers
    }

    /// For what is read from blob files, or passes through, at a client's pace.
    pub fn deliveries(&self) -> &Pool {
        &self.deliveries
    }

    /// For content that is held whole: manifests, lists, blobs that live in the index.
    pub fn small(&self) -> &Pool {
        &self.small
    }

    /// All of it.
    pub fn usage(&self) -> PoolUsage {
        let (one, other, part) = (
            self.transfers.usage(),
            self.small.usage(),
            self.deliveries.usage(),
        );
        PoolUsage {
            capacity: one.capacity + other.capacity,
            in_use: one.in_use + other.in_use,
            acquired: one.acquired + other.acquired,
            released: one.released + other.released,
            // Who waits for a part is told so by the part.
            waiting: one.waiting + other.waiting + part.waiting,
            exhausted: one.exhausted + other.exhausted + part.exhausted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_kind_of_traffic_leaves_room_for_the_others() {
        let budget = Budget::new(64 << 10);
        let deliveries = budget.deliveries().try_acquire(32 << 10).expect("half of it");
        assert!(budget.deliveries().try_acquire(1).is_none());
        let fills = budget.transfers().try_acquire(16 << 10).expect("what is left");
        assert!(budget.transfers().try_acquire(1).is_none());
        let small = budget.small().try_acquire(16 << 10).expect("a quarter of it");
        assert!(budget.small().try_acquire(1).is_none());
        let usage = budget.usage();
        assert_eq!((usage.capacity, usage.in_use), (64 << 10, 64 << 10));
        drop((deliveries, fills, small));
        assert_eq!(budget.usage().in_use, 0);
    }
}
