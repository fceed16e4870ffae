//! Podman, Buildah, Skopeo, CRI-O: a file in `/etc/containers/registries.conf.d`.
//!
//! They put the repository behind the mirror's `location`, so the registry is named in the path.

use std::fmt::Write as _;

use super::{Setup, site::Site};

const FILE: &str = "/etc/containers/registries.conf.d/50-larder.conf";

pub(super) fn setup(site: &Site<'_>) -> Setup {
    let mut paste = format!("# {FILE}\n");
    for upstream in site.by_path() {
        let name = &upstream.name;
        let _ = write!(
            paste,
            "\n[[registry]]\nprefix = \"{name}\"\nlocation = \"{name}\"\n\n\
             [[registry.mirror]]\nlocation = \"{}/{name}\"\n",
            site.host()
        );
        if site.is_plain() {
            paste.push_str("insecure = true\n");
        }
    }
    let mut notes = vec![format!("larder setup podman | sudo tee {FILE}")];
    if let Some(path) = site.client_certificate() {
        notes.push(format!(
            "mkdir -p /etc/containers/certs.d/{host} && cp {path} /etc/containers/certs.d/{host}/ca.crt",
            host = site.host()
        ));
    }
    let left_out = site.config.upstreams.len() - site.by_path().count();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} of the upstreams have a port in their name, which cannot stand in a path: they are left out"
        ));
    }
    Setup { paste, notes }
}
