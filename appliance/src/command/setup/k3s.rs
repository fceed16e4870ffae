//! k3s and RKE2: `registries.yaml`, from which they write containerd's files.

use std::fmt::Write as _;

use super::{Setup, site::Site};

pub(super) fn setup(site: &Site<'_>) -> Setup {
    let mut paste = String::from("# /etc/rancher/k3s/registries.yaml\nmirrors:\n");
    let names = site
        .config
        .upstreams
        .iter()
        .map(|upstream| upstream.name.as_str());
    for name in names.chain(site.is_open().then_some("*")) {
        let _ = write!(
            paste,
            "  \"{name}\":\n    endpoint:\n      - \"{}\"\n",
            site.mirror
        );
    }
    if let Some(path) = site.client_certificate() {
        let _ = write!(
            paste,
            "configs:\n  \"{}\":\n    tls:\n      ca_file: \"{path}\"\n",
            site.host()
        );
    }
    Setup {
        paste,
        notes: vec![
            "put this into /etc/rancher/k3s/registries.yaml on every node (RKE2: /etc/rancher/rke2/registries.yaml), then restart k3s or k3s-agent".into(),
        ],
    }
}
