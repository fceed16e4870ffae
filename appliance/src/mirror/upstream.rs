//! The upstreams of this box: which there are, who may have what, and what "open" adds.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{Reason, Unserved, route::Route};
use crate::{
    oci::{Repository, RepositoryPath, UpstreamName},
    source::Source,
};

/// How many upstreams an open mirror remembers beyond the configured ones. Bounds what a client can make
/// the box hold by asking for ever new names.
const OPEN_LIMIT: usize = 256;

/// Whether a repository path may be served.
pub type Access = Arc<dyn Fn(&RepositoryPath) -> bool + Send + Sync>;

/// Makes an upstream of a name that is not configured, on an open mirror.
pub type OpenUpstreams = Arc<dyn Fn(&UpstreamName) -> Option<Upstream> + Send + Sync>;

/// One upstream: its sources and its rules.
#[derive(Clone)]
pub struct Upstream {
    pub name: UpstreamName,
    /// In the order to be asked.
    pub sources: Arc<[Arc<dyn Source>]>,
    /// How long a tag is served without asking.
    pub tag_ttl: Duration,
    /// Repositories that may be served.
    pub access: Access,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upstream({}, {:?})", self.name, self.sources)
    }
}

/// All upstreams of this box.
pub struct Upstreams {
    configured: HashMap<UpstreamName, Upstream>,
    opened: Mutex<HashMap<UpstreamName, Upstream>>,
    open: Option<OpenUpstreams>,
}

impl Upstreams {
    pub fn new(configured: impl IntoIterator<Item = Upstream>, open: Option<OpenUpstreams>) -> Self {
        Self {
            configured: configured
                .into_iter()
                .map(|upstream| (upstream.name.clone(), upstream))
                .collect(),
            opened: Mutex::default(),
            open,
        }
    }

    /// Takes over what clients of an open mirror have named so far, with all that is known of it.
    pub(super) fn inherit(&self, before: &Self) {
        if self.open.is_some() {
            let named = before.opened.lock().clone();
            let others = named
                .into_iter()
                .filter(|(name, _)| !self.configured.contains_key(name));
            self.opened.lock().extend(others);
        }
    }

    fn get(&self, name: &UpstreamName) -> Option<Upstream> {
        if let Some(upstream) = self.configured.get(name) {
            return Some(upstream.clone());
        }
        let open = self.open.as_ref()?;
        let mut opened = self.opened.lock();
        if let Some(upstream) = opened.get(name) {
            return Some(upstream.clone());
        }
        let upstream = open(name)?;
        if opened.len() >= OPEN_LIMIT {
            opened.clear();
        }
        opened.insert(name.clone(), upstream.clone());
        Some(upstream)
    }

    /// The upstream of a repository and the way to it, if the rules allow it.
    pub(super) fn route(&self, repository: &Repository) -> Result<(Upstream, Route), Unserved> {
        let upstream = self.get(&repository.upstream).ok_or_else(|| {
            Unserved::new(
                Reason::NotFound,
                format!("`{}` is not an upstream of this mirror", repository.upstream),
            )
        })?;
        if !(upstream.access)(&repository.path) {
            let message = format!(
                "`{repository}` is not allowed by the rules of upstream `{}`",
                repository.upstream
            );
            return Err(Unserved::new(Reason::Denied, message));
        }
        let route = Route::new(upstream.sources.clone(), repository.path.clone());
        Ok((upstream, route))
    }
}
