//! What a person who has just started the mirror can do with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::{config::Config, lan, listen::Bound};

/// Says how to pull through the mirror. Once, when it listens.
pub(super) fn greet(bound: &Bound, config: &Config) {
    let Some(address) = bound.http.or(bound.https) else {
        return;
    };
    let address = reachable(address);
    let image = example(config);
    tracing::info!(
        "pull through it: skopeo copy --src-tls-verify=false docker://{address}/{image} dir:image"
    );
    tracing::info!("or set up a client: larder setup docker|containerd|podman|k3s|buildkit");
}

/// An address that can be typed for one that is listened on.
fn reachable(address: SocketAddr) -> SocketAddr {
    if !address.ip().is_unspecified() {
        return address;
    }
    let ip = lan::routed_address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    SocketAddr::new(ip, address.port())
}

/// Something that this mirror can be asked for.
fn example(config: &Config) -> String {
    let hub = config
        .upstreams
        .iter()
        .find(|upstream| upstream.name.is_docker_hub());
    if config.default_upstream.is_docker_hub() {
        return "library/alpine:3.20".to_owned();
    }
    match hub {
        Some(hub) => format!("{}/library/alpine:3.20", hub.name),
        None => "OWNER/NAME:TAG".to_owned(),
    }
}
