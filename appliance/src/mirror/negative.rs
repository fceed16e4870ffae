//! "Not found", remembered for a short time, so that a client in a loop does not become the upstream's
//! problem.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Unserved;
use crate::oci::{Reference, Repository};

/// Entries kept at most. When it is full, all are forgotten: it is a brake, not a store.
const LIMIT: usize = 4096;

pub(super) struct Absent {
    ttl: Duration,
    known: Mutex<HashMap<(Repository, Reference), (Instant, Unserved)>>,
}

impl Absent {
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            known: Mutex::default(),
        }
    }

    pub(super) fn remember(&self, repository: &Repository, reference: &Reference, unserved: &Unserved) {
        if !unserved.is_answer() || self.ttl.is_zero() {
            return;
        }
        let mut known = self.known.lock();
        let now = Instant::now();
        known.retain(|_, (until, _)| *until > now);
        if known.len() >= LIMIT {
            known.clear();
        }
        known.insert(
            (repository.clone(), reference.clone()),
            (now + self.ttl, unserved.clone()),
        );
    }

    pub(super) fn look(&self, repository: &Repository, reference: &Reference) -> Option<Unserved> {
        let mut known = self.known.lock();
        // Nothing is known to be absent most of the time: the hot path makes no key.
        if known.is_empty() {
            return None;
        }
        let key = (repository.clone(), reference.clone());
        let (until, unserved) = known.get(&key)?;
        if *until > Instant::now() {
            return Some(unserved.clone());
        }
        known.remove(&key);
        None
    }
}
