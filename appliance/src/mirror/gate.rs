//! The offline gate: a manifest is served with the WAN down only if what it needs is here.
//!
//! Podman, CRI-O and skopeo are committed once they have the manifest: a blob that cannot be had afterwards
//! fails their pull, where a 404 for the manifest lets them go on to the next registry at once.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    Mirror, Reason, Unserved,
    route::{Outlook, Route},
};
use crate::{
    cache::Presence,
    oci::{Digest, Links, Manifest, Reference, Repository},
};

/// Manifests remembered as whole at most. When it is full, all are forgotten and found out again.
const LIMIT: usize = 8192;

/// How deep indexes of indexes are followed. Real ones are one deep.
pub(super) const DEPTH: u32 = 4;

/// Manifests that are known to be whole, so that a hit costs one look-up and not one per layer.
#[derive(Default)]
pub(super) struct Gate {
    whole: Mutex<HashSet<(Repository, Digest)>>,
}

impl Gate {
    /// Something turned out to be missing: what was whole is found out again.
    pub(super) fn forget(&self) {
        self.whole.lock().clear();
    }
}

impl Mirror {
    /// Lets a cached manifest pass if it is whole, or if its upstream can be expected to have the rest.
    ///
    /// An upstream of which nothing is known is asked first, by a request that Docker Hub does not count.
    pub(super) async fn pass_gate(
        &self,
        repository: &Repository,
        manifest: &Manifest,
        route: &Route,
    ) -> Result<(), Unserved> {
        if route.outlook() == Outlook::Up || self.is_whole(repository, manifest) {
            return Ok(());
        }
        if route.outlook() == Outlook::Down {
            return Err(Unserved::incomplete(
                repository,
                manifest,
                "it failed a moment ago",
            ));
        }
        let reference = Arc::new(Reference::Digest(manifest.digest));
        let deadline = Instant::now() + self.rules().settings.revalidation;
        let asked = route.ask(deadline, |source, path, deadline| {
            let reference = reference.clone();
            async move { source.resolve(&path, &reference, deadline).await }
        });
        match asked.await {
            Ok(_) => Ok(()),
            // It answered: the rest can be had, if it is to be had at all.
            Err(unserved) if matches!(unserved.reason, Reason::NotFound | Reason::Denied) => Ok(()),
            Err(unserved) => Err(Unserved::incomplete(repository, manifest, &unserved.message)),
        }
    }

    /// Whether all that a client would ask for next is here: every blob of an image; of an index, at least
    /// one platform.
    pub(super) fn is_whole(&self, repository: &Repository, manifest: &Manifest) -> bool {
        let key = (repository.clone(), manifest.digest);
        if self.0.gate.whole.lock().contains(&key) {
            return true;
        }
        let whole = self.find_whole(repository, manifest, DEPTH);
        if whole {
            let mut known = self.0.gate.whole.lock();
            if known.len() >= LIMIT {
                known.clear();
            }
            known.insert(key);
        }
        whole
    }

    fn find_whole(&self, repository: &Repository, manifest: &Manifest, depth: u32) -> bool {
        // What cannot be read as a manifest names nothing that could be missing.
        let Ok(links) = Links::of(&manifest.bytes) else {
            return true;
        };
        let here = |digest| matches!(self.presence(repository, digest), Presence::Here(_));
        if !links.blobs.iter().all(|link| here(&link.digest)) {
            return false;
        }
        links.manifests.is_empty()
            || depth > 0
                && links
                    .manifests
                    .iter()
                    .any(|link| match self.0.cache.manifest(repository, &link.digest) {
                        Ok(Some(platform)) => self.find_whole(repository, &platform, depth - 1),
                        _ => false,
                    })
    }
}
