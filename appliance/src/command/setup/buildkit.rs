//! BuildKit: `buildkitd.toml`. It uses containerd's resolver, `ns` included.

use std::fmt::Write as _;

use super::{Setup, site::Site};

const FILE: &str = "/etc/buildkit/buildkitd.toml";

pub(super) fn setup(site: &Site<'_>) -> Setup {
    let mut paste = format!("# {FILE}\n");
    for upstream in &site.config.upstreams {
        let _ = write!(
            paste,
            "\n[registry.\"{}\"]\n  mirrors = [\"{}\"]\n",
            upstream.name,
            site.host()
        );
    }
    let trust = match site.client_certificate() {
        Some(path) => format!("  ca = [\"{path}\"]\n"),
        None if site.is_plain() => "  http = true\n".into(),
        None => String::new(),
    };
    if !trust.is_empty() {
        let _ = write!(paste, "\n[registry.\"{}\"]\n{trust}", site.host());
    }
    Setup {
        paste,
        notes: vec![
            format!("put this into {FILE}, then restart buildkitd"),
            "for a builder in a container: docker buildx create --use --buildkitd-config FILE".into(),
        ],
    }
}
