//! The endpoints that this box talks to, for those who report on them.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;

use crate::upstream::Endpoint;

/// Endpoints of upstreams that nobody configured, on an open mirror. Whoever uses them keeps them alive.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<Vec<Weak<Endpoint>>>>);

impl Opened {
    pub(super) fn add(&self, endpoints: &[Arc<Endpoint>]) {
        let mut known = self.0.lock();
        known.retain(|endpoint| endpoint.strong_count() > 0);
        known.extend(endpoints.iter().map(Arc::downgrade));
    }

    pub(super) fn alive(&self) -> Vec<Arc<Endpoint>> {
        self.0.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.0.lock().len())
    }
}
