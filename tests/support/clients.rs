//! Real clients, each with roots of its own, pulling and nothing else.
//!
//! Promises: a pull is done by the real program, from an empty store each time unless said otherwise, and
//! gives the digest the client itself recorded; no client reaches beyond loopback.
//! Must not know: that the mirror is Larder; to a client it is an address.

mod containerd;
mod dockerd;
mod podman;
mod skopeo;

pub use containerd::Containerd;
pub use dockerd::Dockerd;
pub use podman::Podman;
pub use skopeo::Skopeo;

use std::{net::SocketAddr, path::Path, time::Duration};

/// A pull may take this long before it counts as hung: clients retry by themselves for a while.
pub const PULL_LIMIT: Duration = Duration::from_secs(150);

/// Where a client finds the registry called `registry.test`, and the mirror in front of it.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub mirror: SocketAddr,
    /// What the client falls back to; nothing when it has only the mirror.
    pub origin: Option<SocketAddr>,
}

/// The name under which all tests know the origin.
pub const HOST: &str = "registry.test";

/// A port on which nothing listens: connections to it are refused at once.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";

/// What a pull came to.
#[derive(Debug)]
pub struct Pulled {
    /// The digest that the client says it has; nothing when the pull failed.
    pub digest: Option<String>,
    pub output: String,
    pub took: Duration,
}

impl Pulled {
    /// Panics unless the client has exactly this.
    #[track_caller]
    pub fn expect(&self, digest: &str) {
        assert_eq!(
            self.digest.as_deref(),
            Some(digest),
            "the client says:\n{}",
            self.output
        );
    }
}

/// `registries.conf` for the containers/image family.
pub(crate) fn registries_conf(folder: &Path, route: Route) -> std::path::PathBuf {
    let origin = route
        .origin
        .map_or_else(|| NOWHERE.to_owned(), |address| address.to_string());
    let text = format!(
        "unqualified-search-registries = []\n\n\
         [[registry]]\nprefix = \"{HOST}\"\nlocation = \"{origin}\"\ninsecure = true\n\n\
         [[registry.mirror]]\nlocation = \"{}/{HOST}\"\ninsecure = true\n",
        route.mirror
    );
    let path = folder.join("registries.conf");
    std::fs::write(&path, text).unwrap_or_else(|e| panic!("write {}: {e}", path.display()));
    path
}
