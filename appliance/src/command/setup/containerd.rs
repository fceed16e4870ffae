//! containerd: a `hosts.toml` for each registry, below `config_path`.
//!
//! containerd tells the box which registry is meant in the `ns` parameter, so the address is the same for
//! all. `server` is where it goes on when the box has no answer.

use std::fmt::Write as _;

use super::{Setup, site::Site};

const FOLDER: &str = "/etc/containerd/certs.d";

pub(super) fn setup(site: &Site<'_>) -> Setup {
    let mut paste = String::from("#!/bin/sh\nset -e\n");
    for upstream in &site.config.upstreams {
        let server = format!("server = \"{}\"\n\n", upstream.endpoints[0]);
        file(&mut paste, upstream.name.as_str(), &server, site);
    }
    if site.is_open() {
        // Without `server`, containerd goes on at the registry that was asked for.
        file(&mut paste, "_default", "", site);
    }
    Setup {
        paste,
        notes: vec![
            "run what is printed as root: larder setup containerd | sudo sh".into(),
            format!(
                "containerd 1.x: /etc/containerd/config.toml needs [plugins.\"io.containerd.grpc.v1.cri\".registry] config_path = \"{FOLDER}\""
            ),
            format!(
                "containerd 2.x: /etc/containerd/config.toml needs [plugins.\"io.containerd.cri.v1.images\".registry] config_path = \"{FOLDER}\""
            ),
            format!("ctr needs --hosts-dir {FOLDER}; nerdctl finds it by itself"),
        ],
    }
}

fn file(paste: &mut String, registry: &str, server: &str, site: &Site<'_>) {
    let ca = site
        .client_certificate()
        .map_or_else(String::new, |path| format!("  ca = \"{path}\"\n"));
    let _ = write!(
        paste,
        "\nmkdir -p '{FOLDER}/{registry}'\n\
         cat > '{FOLDER}/{registry}/hosts.toml' <<'EOF'\n\
         {server}[host.\"{mirror}\"]\n  capabilities = [\"pull\", \"resolve\"]\n{ca}EOF\n",
        mirror = site.mirror,
    );
}
