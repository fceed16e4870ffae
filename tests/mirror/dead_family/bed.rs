//! A daemon in a network of its own, an upstream with two names, and somebody who is told.

use std::time::{Duration, Instant};

use tests::{
    client::Complete,
    dns::Dns,
    hook::Hook,
    images::{Blob, noise},
    larder::{Config, Entry, Larder},
    network::{Family, Network, Road},
    stage::REPOSITORY,
    upstream::{Settings, Upstream},
    wait,
};

/// A name with addresses of both families, and names with one of IPv4.
pub(super) const DUAL: &str = "dual.test";
pub(super) const SINGLE: &str = "single.test";

/// On a busy machine fewer pulls are enough: after a minute the dead family is tried again.
const LONGEST: Duration = Duration::from_secs(40);

/// What may be told of the way to registries.
const RULES: [&str; 6] = [
    "family-broken",
    "no-network",
    "no-wan",
    "no-names",
    "upstream-down",
    "failing-pulls",
];

pub(super) struct Bed {
    pub(super) network: Network,
    pub(super) dns: Dns,
    pub(super) upstream: Upstream,
    pub(super) hook: Hook,
    pub(super) larder: Larder,
    blobs: u64,
}

impl Bed {
    pub(super) async fn start(network: Network, settings: Settings, ipv6: Road) -> Self {
        let [four, six] = [Family::V4, Family::V6].map(|family| network.upstream(family));
        let dns = Dns::start_at(network.outside(), &[(DUAL, &[four, six]), (SINGLE, &[four])]).await;
        let upstream = settings.host(std::net::Ipv6Addr::UNSPECIFIED).start().await;
        let hook = Hook::start_at(network.outside()).await;
        network.set(Family::V4, Road::Open);
        network.set(Family::V6, ipv6);
        let larder = Larder::start(config(&network, &dns, &upstream, &hook)).await;
        Self {
            network,
            dns,
            upstream,
            hook,
            larder,
            blobs: 0,
        }
    }

    /// Forgets what was found out about families.
    pub(super) async fn restart(&mut self) {
        self.larder.stop().await;
        self.larder.resume().await;
    }

    /// Pulls a blob that nobody has pulled before, and says after how long its first byte came.
    pub(super) async fn pull(&mut self, upstream: &str) -> Duration {
        self.blobs += 1;
        let blob = Blob::new("application/octet-stream", noise(self.blobs, 60_000));
        self.upstream.content().push_blob(REPOSITORY, &blob);
        let started = Instant::now();
        let answer = self.try_pull(upstream, &blob.digest).await;
        assert_eq!(
            answer.status,
            200,
            "{} after {:?}",
            answer.text(),
            started.elapsed()
        );
        assert!(
            answer.bytes == blob.bytes,
            "the bytes of {} are wrong",
            blob.digest
        );
        answer.first_byte
    }

    pub(super) async fn try_pull(&self, upstream: &str, digest: &str) -> Complete {
        let path = format!("/v2/{upstream}/{REPOSITORY}/blobs/{digest}");
        let answer = self.larder.get(&path).await;
        answer.unwrap_or_else(|e| panic!("{digest}: {e}"))
    }

    /// Pulls in turn over a name with both families, and over one that has IPv4 only.
    pub(super) async fn pull_in_turn(&mut self, count: usize) -> (Times, Times) {
        let (mut dual, mut single) = (Times::default(), Times::default());
        let enough = Instant::now() + LONGEST;
        for round in 0..count {
            if round >= 10 && Instant::now() > enough {
                break;
            }
            dual.0.push(self.pull(DUAL).await);
            single.0.push(self.pull(SINGLE).await);
        }
        (dual, single)
    }

    pub(super) fn sent_over_ipv6(&self) -> u64 {
        self.network.sent_over_ipv6(self.larder.process().id())
    }

    /// What has been told of the way to registries: `fired family-broken(ipv6)`.
    pub(super) fn told(&self) -> Vec<String> {
        let messages = self.hook.arrived();
        let about = messages
            .iter()
            .filter_map(|message| message["about"].as_array())
            .flatten();
        about
            .filter(|about| RULES.iter().any(|rule| about["subject"]["rule"] == **rule))
            .map(|about| {
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let [rule, of] = ["rule", "of"].map(|field| text(&about["subject"][field]));
                let occasion = text(&about["occasion"]);
                if of.is_empty() {
                    format!("{occasion} {rule}")
                } else {
                    format!("{occasion} {rule}({of})")
                }
            })
            .collect()
    }

    pub(super) async fn until_told(&self, expected: &[&str]) {
        wait::until(&format!("{expected:?} to be told"), wait::PATIENCE, || {
            let told = self.told();
            assert!(told.len() <= expected.len(), "{told:?}");
            async move { (told == *expected).then_some(()) }
        })
        .await;
    }
}

/// Judges each second, and tells at once.
fn config(network: &Network, dns: &Dns, upstream: &Upstream, hook: &Hook) -> Config {
    let rules = [
        "{ name = \"family-broken\", for = \"2s\", keep = \"0s\" }",
        "{ name = \"no-wan\", for = \"0s\", keep = \"0s\" }",
        "{ name = \"upstream-down\", for = \"0s\", keep = \"0s\" }",
        "{ name = \"failing-pulls\", for = \"0s\", keep = \"0s\" }",
    ];
    let entry = |name: &str| Entry::new(name, &[format!("http://{name}:{}", upstream.port())]);
    Config::new()
        .upstream(entry(DUAL))
        .upstream(entry(SINGLE))
        .set("default_upstream", &format!("{DUAL:?}"))
        .inside(network)
        .dns(dns.address())
        .set("fetch.connect_timeout", "\"1s\"")
        .set("monitor.interval", "\"1s\"")
        .set("alert.settle", "\"2s\"")
        .set("alert.rule", &format!("[{}]", rules.join(", ")))
        .set(
            "alert.receiver",
            &hook.receiver(", apart = \"0s\", per_hour = 60"),
        )
}

#[derive(Default)]
pub(super) struct Times(pub(super) Vec<Duration>);

impl Times {
    pub(super) fn median(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[sorted.len() / 2]
    }

    pub(super) fn without_first(&self) -> Self {
        Self(self.0[1..].to_vec())
    }

    pub(super) fn show(&self) -> String {
        let longest = self.0.iter().max().expect("some");
        format!("median {:.1?}, longest {longest:.1?}", self.median())
    }
}

/// Whether the first family's addresses cost nothing: by the middle one, as any single one may have waited for a core.
pub(super) fn expect_no_delay(dual: &Times, single: &Times) {
    // Half of what a dead family costs is enough to see it; a busy machine is no dead family.
    let slack = if tests::full() { 5 } else { 125 };
    let most = single.median() + Duration::from_millis(slack);
    assert!(
        dual.median() <= most,
        "both families: {}; IPv4 only: {}",
        dual.show(),
        single.show()
    );
}
