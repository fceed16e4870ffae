//! A name with two addresses, of which the IPv6 one drops every packet: what a firewall and a new AAAA record
//! do to a site. It costs a moment once, and no pull.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tests::{
    dns::Dns,
    larder::{Config, Entry, Larder},
    stage::{Stage, TAG, UPSTREAM},
    upstream::{Upstream, hole},
};

#[tokio::test]
async fn a_dead_ipv6_address_fails_no_pull() {
    let addresses = [IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let dns = Dns::start(&[("registry.test", &addresses)]).await;
    let upstream = Upstream::start().await;
    let _dead = hole(SocketAddr::from((Ipv6Addr::LOCALHOST, upstream.port()))).await;
    let url = format!("http://registry.test:{}", upstream.port());
    let config = Config::new()
        .upstream(Entry::new(UPSTREAM, &[url]).set("tag_ttl", "\"0s\""))
        .set("default_upstream", "\"registry.test\"")
        // Whoever waits for the dead address to time out has no time left for the other.
        .set("fetch.connect_timeout", "\"30s\"")
        .dns(dns.address());
    let stage = Stage {
        upstream,
        larder: Larder::start(config).await,
    };
    let image = stage.image(1, 300_000);
    // Cold, every kind of request; then again over new connections, when the family is known to be dead.
    for round in ["cold", "revalidated"] {
        assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()), "{round}");
        stage.upstream.refuse().await;
        stage.upstream.recover().await;
    }
    assert_eq!(stage.manifest(TAG).await.status, 200);
    let blob = stage.blob(2, 500_000);
    stage.expect_blob(&blob).await;
    assert!(dns.questions() > 0, "the name was looked up");
}
