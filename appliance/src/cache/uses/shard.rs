//! A part of the records.
//!
//! Most content is used when it comes and never again, so that there are a million records of which a few
//! change: they lie sorted in one vector, without a hash table's empty places, and newcomers beside it until
//! there are enough of them to be merged.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use crate::{
    cache::eviction::{Fingerprint, Record},
    clock::Timestamp,
};

/// Newcomers are merged when there are more than this, and more than a part of all.
const NEWCOMERS: usize = 256;
const PART: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Shard {
    /// By fingerprint.
    settled: Vec<(Fingerprint, Record)>,
    newcomers: HashMap<u64, Record>,
    /// Settled ones that are not any more, until the next merge.
    gone: HashSet<u64>,
    changed: HashSet<u64>,
    watched: Vec<Watched>,
    leases: HashMap<u64, Leased>,
}

/// What one watcher has seen.
#[derive(Debug, Default)]
struct Watched {
    watcher: u64,
    used: HashSet<u64>,
    /// Of which by what was being stored.
    needed: HashSet<u64>,
}

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody reads it.
    Reading,
    /// What is being stored needs it.
    Storing,
}

#[derive(Clone, Copy, Debug)]
struct Leased {
    count: u32,
    /// Of them, those of what is being stored.
    storing: u32,
    /// When the last of them was taken.
    since: Timestamp,
}

impl Shard {
    fn find(&self, name: Fingerprint) -> Option<usize> {
        let found = self.settled.binary_search_by_key(&name.0, |(name, _)| name.0);
        found.ok().filter(|_| !self.gone.contains(&name.0))
    }

    pub(super) fn get(&self, name: Fingerprint) -> Option<Record> {
        match self.newcomers.get(&name.0) {
            Some(record) => Some(*record),
            None => self.find(name).map(|at| self.settled[at].1),
        }
    }

    pub(super) fn put(&mut self, name: Fingerprint, record: Record) {
        self.changed.insert(name.0);
        match self.find(name) {
            Some(at) => self.settled[at].1 = record,
            None => {
                self.newcomers.insert(name.0, record);
                if self.newcomers.len() > NEWCOMERS.max(self.settled.len() / PART) {
                    self.merge();
                }
            }
        }
    }

    pub(super) fn remove(&mut self, name: Fingerprint) -> Option<Record> {
        let record = self.get(name)?;
        self.changed.remove(&name.0);
        if self.newcomers.remove(&name.0).is_none() {
            self.gone.insert(name.0);
            if self.gone.len() > NEWCOMERS.max(self.settled.len() / PART) {
                self.merge();
            }
        }
        Some(record)
    }

    pub(super) fn len(&self) -> usize {
        self.settled.len() - self.gone.len() + self.newcomers.len()
    }

    /// All of them, by fingerprint.
    pub(super) fn all(&mut self) -> Vec<(Fingerprint, Record)> {
        self.merge();
        self.settled.clone()
    }

    fn merge(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        if !gone.is_empty() {
            self.settled.retain(|(name, _)| !gone.contains(&name.0));
        }
        if self.newcomers.is_empty() {
            return;
        }
        self.settled.reserve_exact(self.newcomers.len());
        let newcomers = self.newcomers.drain();
        self.settled
            .extend(newcomers.map(|(name, record)| (Fingerprint(name), record)));
        // A sort that sees the two sorted runs.
        self.settled.sort_by_key(|(name, _)| name.0);
    }

    /// Keeps those that are `here`, which is sorted, and those that were used since a watch began: they can have
    /// come since.
    pub(super) fn sweep(&mut self, here: &[Fingerprint]) {
        self.merge();
        let mut here = here.iter().map(|name| name.0).peekable();
        let watched = &self.watched;
        self.settled.retain(|(name, _)| {
            while here.next_if(|next| *next < name.0).is_some() {}
            here.peek() == Some(&name.0) || watched.iter().any(|watched| watched.used.contains(&name.0))
        });
        self.settled.shrink_to_fit();
        let settled = &self.settled;
        self.changed
            .retain(|name| settled.binary_search_by_key(name, |(name, _)| name.0).is_ok());
    }

    pub(super) fn take_changes(&mut self) -> Vec<(Fingerprint, Record)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .filter_map(|name| Some((Fingerprint(name), self.get(Fingerprint(name))?)))
            .collect()
    }

    /// Begins to watch what is used.
    pub(super) fn watch(&mut self, watcher: u64) {
        self.watched.push(Watched {
            watcher,
            ..Watched::default()
        });
    }

    #[cfg(test)]
    pub(super) fn watchers(&self) -> usize {
        self.watched.len()
    }

    pub(super) fn unwatch(&mut self, watcher: u64) {
        self.watched.retain(|watched| watched.watcher != watcher);
    }

    pub(super) fn see(&mut self, name: Fingerprint) {
        for watched in &mut self.watched {
            watched.used.insert(name.0);
        }
    }

    fn see_lease(&mut self, name: Fingerprint, purpose: Purpose) {
        self.see(name);
        if purpose == Purpose::Storing {
            for watched in &mut self.watched {
                watched.needed.insert(name.0);
            }
        }
    }

    fn watched_by(&self, watcher: u64) -> Option<&Watched> {
        self.watched.iter().find(|watched| watched.watcher == watcher)
    }

    pub(super) fn was_used(&self, watcher: u64, name: Fingerprint) -> bool {
        let watched = self.watched_by(watcher);
        watched.is_some_and(|watched| watched.used.contains(&name.0))
    }

    /// Whether what is being stored needs it, or was stored since the watch began.
    pub(super) fn is_needed(&self, watcher: u64, name: Fingerprint) -> bool {
        let watched = self.watched_by(watcher);
        watched.is_some_and(|watched| watched.needed.contains(&name.0))
            || self.leases.get(&name.0).is_some_and(|leased| leased.storing > 0)
    }

    pub(super) fn lease(&mut self, name: Fingerprint, purpose: Purpose, now: Timestamp) {
        self.see_lease(name, purpose);
        let leased = self.leases.entry(name.0).or_insert(Leased {
            count: 0,
            storing: 0,
            since: now,
        });
        leased.count += 1;
        leased.storing += u32::from(purpose == Purpose::Storing);
        leased.since = now;
    }

    pub(super) fn release(&mut self, name: Fingerprint, purpose: Purpose) {
        self.see_lease(name, purpose);
        if let Some(leased) = self.leases.get_mut(&name.0) {
            leased.count -= 1;
            leased.storing -= u32::from(purpose == Purpose::Storing);
            if leased.count == 0 {
                self.leases.remove(&name.0);
            }
        }
    }

    pub(super) fn is_leased(&self, name: Fingerprint, now: Timestamp, limit: Duration) -> bool {
        self.leases
            .get(&name.0)
            .is_some_and(|leased| leased.since.age(now).is_some_and(|age| age < limit))
    }
}
