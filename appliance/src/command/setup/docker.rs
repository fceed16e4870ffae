//! dockerd: `/etc/docker/daemon.json`.
//!
//! `registry-mirrors` serves Docker Hub only and takes no path, so it needs Docker Hub to be what a name
//! without an upstream means here; other registries are pulled by the box's name.

use serde_json::{Map, Value, json};

use super::{Setup, site::Site};

pub(super) fn setup(site: &Site<'_>) -> Setup {
    let mut daemon = Map::new();
    let mut notes = Vec::new();
    if site.config.default_upstream.is_docker_hub() {
        daemon.insert("registry-mirrors".into(), json!([site.mirror.as_str()]));
        notes.push("merge this into /etc/docker/daemon.json, then: systemctl restart docker".to_owned());
    } else {
        notes.push(format!(
            "Docker can mirror Docker Hub only through a mirror whose `default_upstream` is docker.io; here it is {}",
            site.config.default_upstream
        ));
    }
    if site.is_plain() {
        daemon.insert("insecure-registries".into(), json!([site.host()]));
    } else if let Some(path) = site.client_certificate() {
        notes.push(format!(
            "mkdir -p /etc/docker/certs.d/{host} && cp {path} /etc/docker/certs.d/{host}/ca.crt",
            host = site.host()
        ));
    }
    notes.push("Docker mirrors Docker Hub only; pull from other registries by the box's name:".to_owned());
    notes.extend(
        site.by_path()
            .filter(|upstream| !upstream.name.is_docker_hub())
            .map(|upstream| format!("  docker pull {}/{}/OWNER/APP", site.host(), upstream.name)),
    );
    Setup {
        // Two spaces and a newline at the end, as the file usually has them.
        paste: format!("{:#}\n", Value::Object(daemon)),
        notes,
    }
}
