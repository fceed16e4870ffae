//! What was used when, and what is in use: the memory that eviction decides by.
//!
//! | file | what |
//! |---|---|
//! | [`shard`] | a part of the records, compact |
//! | [`log`] | the records on the disk |
//!
//! Records are kept by fingerprint, in memory; what changed is appended to a file every few minutes and at an
//! orderly end ([`super::Cache::save_uses`]), because flash wears. What a crash loses is minutes of it.
//!
//! Promises: a use costs one short lock, shared by a sixteenth of all content; forty bytes at most per piece
//! of content; a lease that is not let go ends by itself. Must not know: the index, what content is for.

mod log;
mod shard;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::{Mutex, RwLock};

use super::eviction::{Fingerprint, Kind, Policy, Rank, Ranking, Record};
use crate::{clock::Timestamp, oci::Digest};

pub(super) use log::Log;
use shard::{Purpose, Shard};

/// A power of two.
const SHARDS: usize = 16;

/// When a lease ends that nobody let go of. Longer than the slowest pull of one blob on a LAN; and a reader
/// who is slower still loses nothing, because an open file can be read after it was unlinked.
const LEASE: Duration = Duration::from_secs(3600);

/// As much of a digest's key as its fingerprint says: the algorithm's byte, and eight of the hash.
pub(super) type KeyPrefix = [u8; 9];

/// The fingerprint of a digest: its first eight bytes, which are as good as random.
pub(super) fn fingerprint(digest: &Digest) -> Fingerprint {
    let mut bytes = [0; 8];
    // The key's first byte tells the algorithm.
    for (to, from) in bytes.iter_mut().zip(digest.key().iter().skip(1)) {
        *to = *from;
    }
    Fingerprint(u64::from_be_bytes(bytes))
}

/// The records of all content.
pub(super) struct Uses {
    shards: [Mutex<Shard>; SHARDS],
    policy: RwLock<Policy>,
    /// How many watches there were.
    watches: AtomicU64,
}

impl Uses {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            shards: Default::default(),
            policy: RwLock::new(Policy::new(kind)),
            watches: AtomicU64::new(0),
        }
    }

    fn shard(&self, name: Fingerprint) -> &Mutex<Shard> {
        // The top bits, so that a shard is a range: what is sorted by fingerprint stays sorted by shard.
        &self.shards[(name.0 >> (u64::BITS - SHARDS.ilog2())) as usize]
    }

    /// It was stored, or stored again.
    pub(super) fn stored(&self, digest: &Digest, now: Timestamp) {
        let name = fingerprint(digest);
        if !self.touch(name, now) {
            let record = self.policy.write().admit(name, now);
            self.shard(name).lock().put(name, record);
        }
    }

    /// Somebody asked for it and got it.
    pub(super) fn used(&self, digest: &Digest, now: Timestamp) {
        self.stored(digest, now);
    }

    fn touch(&self, name: Fingerprint, now: Timestamp) -> bool {
        let policy = self.policy.read();
        let mut shard = self.shard(name).lock();
        shard.see(name);
        let Some(mut record) = shard.get(name) else {
            return false;
        };
        policy.touch(&mut record, now);
        shard.put(name, record);
        true
    }

    /// It is being read until the lease is dropped.
    pub(super) fn lease(self: &Arc<Self>, digest: &Digest, now: Timestamp) -> Lease {
        self.lease_for(Purpose::Reading, digest, now)
    }

    /// What is being stored needs it; until the lease is dropped, which is when that is listed.
    pub(super) fn need(self: &Arc<Self>, digest: &Digest, now: Timestamp) -> Lease {
        self.lease_for(Purpose::Storing, digest, now)
    }

    fn lease_for(self: &Arc<Self>, purpose: Purpose, digest: &Digest, now: Timestamp) -> Lease {
        let name = fingerprint(digest);
        self.shard(name).lock().lease(name, purpose, now);
        Lease {
            uses: self.clone(),
            name,
            purpose,
        }
    }

    /// Whether somebody holds a lease on it.
    pub(super) fn is_leased(&self, name: Fingerprint, now: Timestamp) -> bool {
        self.shard(name).lock().is_leased(name, now, LEASE)
    }

    /// Begins to watch what is used: for what is decided now and done later.
    pub(super) fn watch(self: &Arc<Self>) -> Watch {
        let number = self.watches.fetch_add(1, Relaxed);
        self.shards.iter().for_each(|shard| shard.lock().watch(number));
        Watch {
            uses: self.clone(),
            number,
        }
    }

    /// Its record; what was never used since it was `created` has one that says so.
    pub(super) fn record(&self, name: Fingerprint, created: Timestamp) -> Record {
        let known = self.shard(name).lock().get(name);
        known.unwrap_or_else(|| self.policy.read().unseen(created))
    }

    /// When it was asked for last, or stored, as far as that is remembered.
    pub(super) fn last_use(&self, name: Fingerprint) -> Option<Timestamp> {
        self.shard(name).lock().get(name).map(|record| record.last_use())
    }

    /// The order in which content goes.
    pub(super) fn ranking(&self) -> Ranking {
        self.policy.read().ranking()
    }

    /// A second chance was given.
    pub(super) fn spared(&self, name: Fingerprint) {
        let mut policy = self.policy.write();
        let mut shard = self.shard(name).lock();
        if let Some(mut record) = shard.get(name)
            && policy.spare(&mut record)
        {
            shard.put(name, record);
        }
    }

    /// It went.
    pub(super) fn evicted(&self, name: Fingerprint, rank: Rank) {
        let record = self.shard(name).lock().remove(name);
        if let Some(record) = record {
            self.policy.write().on_evicted(name, &record, rank);
        }
    }

    /// Forgets all that is not here any more. `here` is sorted.
    pub(super) fn sweep(&self, here: &[Fingerprint]) {
        for (number, shard) in self.shards.iter().enumerate() {
            let first = (number as u64) << (u64::BITS - SHARDS.ilog2());
            let begin = here.partition_point(|name| name.0 < first);
            let end = match (number as u64 + 1).checked_shl(u64::BITS - SHARDS.ilog2()) {
                Some(next) if number + 1 < SHARDS => here.partition_point(|name| name.0 < next),
                _ => here.len(),
            };
            shard.lock().sweep(&here[begin..end]);
        }
    }

    /// Takes over what an earlier process wrote.
    fn learn(&self, name: Fingerprint, record: Record, now: Timestamp) {
        let record = self.policy.write().learn(record, now);
        self.shard(name).lock().put(name, record);
    }

    /// What changed since the last call.
    fn changes(&self) -> Vec<(Fingerprint, Record)> {
        self.shards
            .iter()
            .flat_map(|shard| shard.lock().take_changes())
            .collect()
    }

    /// How many watch.
    #[cfg(test)]
    pub(super) fn watchers(&self) -> usize {
        self.shards[0].lock().watchers()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    /// Visits all records, shard by shard.
    fn each<E>(&self, mut visit: impl FnMut(&[(Fingerprint, Record)]) -> Result<(), E>) -> Result<(), E> {
        for shard in &self.shards {
            let records = shard.lock().all();
            visit(&records)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uses({} records)", self.len())
    }
}

/// A look at what is used from now on. Dropping it ends that.
pub(super) struct Watch {
    uses: Arc<Uses>,
    number: u64,
}

impl Watch {
    /// Whether it was used since, or a lease on it was taken or let go since, or is held.
    pub(super) fn is_in_demand(&self, name: Fingerprint, now: Timestamp) -> bool {
        let shard = self.uses.shard(name).lock();
        shard.is_leased(name, now, LEASE) || shard.was_used(self.number, name)
    }

    /// Whether something that was stored since needs it, or something that is being stored.
    pub(super) fn is_needed(&self, name: Fingerprint) -> bool {
        self.uses.shard(name).lock().is_needed(self.number, name)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let shards = &self.uses.shards;
        shards.iter().for_each(|shard| shard.lock().unwatch(self.number));
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.number)
    }
}

/// Content that is in use. Dropping it ends that.
pub struct Lease {
    uses: Arc<Uses>,
    name: Fingerprint,
    purpose: Purpose,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.uses.shard(self.name).lock().release(self.name, self.purpose);
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({:016x})", self.name.0)
    }
}

#[cfg(test)]
mod tests;
