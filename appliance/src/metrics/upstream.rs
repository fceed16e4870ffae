//! Counters by upstream.
//!
//! With `open = true` the names come from clients, so their number is bounded: a scan of made-up names must
//! not become a memory leak and a scrape of megabytes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::histogram::Histogram;
use crate::oci::UpstreamName;

/// Names beyond this share the counters of [`OTHERS`].
const NAMES_MOST: usize = 64;
const OTHERS: &str = "(others)";

/// One upstream's counters. Get it once and keep it: updates are lock-free, the look-up is not.
#[derive(Debug, Default)]
pub struct UpstreamMetrics {
    wan_bytes: AtomicU64,
    latency: Histogram,
}

impl UpstreamMetrics {
    /// Bytes of bodies that came from the upstream.
    pub fn received(&self, bytes: u64) {
        self.wan_bytes.fetch_add(bytes, Relaxed);
    }

    /// How long a request took until its answer's head.
    pub fn answered(&self, after: Duration) {
        self.latency.observe(after);
    }

    pub fn wan_bytes(&self) -> u64 {
        self.wan_bytes.load(Relaxed)
    }

    pub(super) fn latency(&self) -> &Histogram {
        &self.latency
    }
}

/// All upstreams' counters.
#[derive(Debug, Default)]
pub(super) struct Upstreams(Mutex<BTreeMap<Arc<str>, Arc<UpstreamMetrics>>>);

impl Upstreams {
    pub(super) fn get(&self, name: &UpstreamName) -> Arc<UpstreamMetrics> {
        let mut known = self.0.lock();
        if let Some(found) = known.get(name.as_str()) {
            return found.clone();
        }
        let key = if known.len() < NAMES_MOST {
            name.as_str()
        } else {
            OTHERS
        };
        known.entry(key.into()).or_default().clone()
    }

    pub(super) fn list(&self) -> Vec<(Arc<str>, Arc<UpstreamMetrics>)> {
        let known = self.0.lock();
        known
            .iter()
            .map(|(name, metrics)| (name.clone(), metrics.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_share_one_place() {
        let upstreams = Upstreams::default();
        let get = |n: usize| upstreams.get(&format!("u{n}.example").parse().expect("a name"));
        let first = get(0);
        for n in 1..10_000 {
            get(n).received(1);
        }
        assert_eq!(upstreams.list().len(), NAMES_MOST + 1);
        assert!(Arc::ptr_eq(&first, &get(0)));
        let total: u64 = upstreams.list().iter().map(|(_, m)| m.wan_bytes()).sum();
        assert_eq!(total, 9_999);
    }
}
