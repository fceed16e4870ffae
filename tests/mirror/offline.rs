//! The WAN is gone: what is here is served at once, what is not is refused at once, and nothing is promised
//! that can't be kept.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use tests::{
    client::Complete,
    dns::{Dns, Mood},
    full,
    images::{Image, index},
    larder::{Config, Entry, Larder},
    stage::{REPOSITORY, Stage, TAG, UPSTREAM, image, manifest},
    upstream::{Fault, Kind, Mode, Settings, Upstream},
};

/// What the product promises from the second request on; CI machines get room to breathe.
fn at_once() -> Duration {
    Duration::from_millis(if full() { 50 } else { 1000 })
}

/// Longer than any answer may take, whatever the upstream does: a client would think it hung.
const HUNG: Duration = Duration::from_secs(12);

async fn timed(stage: &Stage, method: &str, reference: &str) -> (Complete, Duration) {
    let started = Instant::now();
    let answer = manifest(method, reference)
        .send(stage.larder.address())
        .await
        .expect("larder answers");
    let answer = answer.complete().await.expect("the answer is whole");
    (answer, started.elapsed())
}

/// A tag older than its time to live, the upstream as `config` says.
async fn serves_a_stale_tag(stage: &Stage, image: &Image) {
    for n in 0..4 {
        let (head, first) = timed(stage, "HEAD", TAG).await;
        let (get, second) = timed(stage, "GET", TAG).await;
        assert_eq!((head.status, get.status), (200, 200), "{}", get.text());
        assert_eq!(head.headers.text("docker-content-digest"), image.digest());
        assert_eq!(get.bytes, image.manifest.bytes);
        let limit = if n == 0 { HUNG } else { at_once() };
        assert!(
            first < limit && second < limit,
            "request {n}: HEAD {first:?}, GET {second:?}"
        );
    }
}

fn always_asking(config: Config) -> Config {
    config.upstream_key("tag_ttl", "\"0s\"")
}

#[tokio::test]
async fn a_cached_tag_is_served_when_the_upstream_is_gone() {
    for mode in [Mode::Refusing, Mode::BlackHoled, Mode::Silent] {
        let stage = Stage::with(Settings::default(), always_asking).await;
        let image = stage.image(1, 100_000);
        stage.cache(&image).await;
        stage.upstream.set_mode(mode).await;
        serves_a_stale_tag(&stage, &image).await;
        assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()), "{mode:?}");
        let (answer, _) = timed(&stage, "GET", TAG).await;
        assert_eq!(answer.headers.text("x-larder-cache"), "stale", "{mode:?}");
    }
}

#[tokio::test]
async fn a_cached_tag_is_served_when_the_upstream_fails() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::RetryAfter(429, "60".to_owned()),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Html,
        Fault::ResetBeforeHeaders,
    ];
    for fault in faults {
        let stage = Stage::with(Settings::default(), always_asking).await;
        let image = stage.image(1, 100_000);
        stage.cache(&image).await;
        for kind in [Kind::Ping, Kind::HeadManifest, Kind::GetManifest, Kind::GetBlob] {
            stage.upstream.script().always(kind, fault.clone());
        }
        assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()), "{fault:?}");
        assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()), "{fault:?}");
    }
}

#[tokio::test]
async fn a_cached_tag_is_served_when_names_do_not_resolve() {
    let loopback: Vec<IpAddr> = vec![[127, 0, 0, 1].into()];
    for mood in [Mood::Silent, Mood::Failing] {
        let dns = Dns::start(&[("registry.test", &loopback)]).await;
        let upstream = Upstream::start().await;
        let url = format!("http://registry.test:{}", upstream.port());
        let entry = Entry::new(UPSTREAM, &[url]).set("tag_ttl", "\"0s\"");
        let config = Config::new()
            .upstream(entry)
            .set("default_upstream", "\"registry.test\"")
            .set("fetch.connect_timeout", "\"1s\"")
            .set("fetch.first_byte_timeout", "\"2s\"")
            .dns(dns.address());
        let stage = Stage {
            upstream,
            larder: Larder::start(config).await,
        };
        let image = stage.image(1, 100_000);
        assert_eq!(
            stage.pull().await.as_deref(),
            Ok(image.digest()),
            "with working DNS"
        );
        assert!(
            dns.questions() > 0,
            "larder asked the DNS server of its resolv.conf"
        );
        dns.set_mood(mood);
        // Names are known for a second, connections are kept: without either, DNS is needed.
        stage.upstream.refuse().await;
        stage.upstream.recover().await;
        serves_a_stale_tag(&stage, &image).await;
    }
}

#[tokio::test]
async fn starts_with_the_wan_gone_and_serves() {
    for mode in [Mode::Refusing, Mode::BlackHoled] {
        let mut stage = Stage::with(Settings::default(), always_asking).await;
        let image = stage.image(1, 1 << 20);
        stage.cache(&image).await;
        stage.upstream.set_mode(mode).await;
        stage.larder.stop().await;
        stage.larder.resume().await;
        let limit = Duration::from_secs(if full() { 1 } else { 5 });
        assert!(
            stage.larder.ready_after < limit,
            "{mode:?}: ready after {:?}",
            stage.larder.ready_after
        );
        serves_a_stale_tag(&stage, &image).await;
        assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()), "{mode:?}");
    }
}

#[tokio::test]
async fn what_is_not_here_is_a_quick_404_with_its_reason() {
    for mode in [Mode::Refusing, Mode::BlackHoled, Mode::Silent] {
        let stage = Stage::start().await;
        let blob = stage.blob(1, 1000);
        stage.upstream.set_mode(mode).await;
        for n in 0..3 {
            let limit = if n == 0 { HUNG } else { at_once() };
            let (answer, took) = timed(&stage, "GET", "nothing").await;
            assert_eq!(answer.status, 404, "{mode:?}: {}", answer.text());
            assert!(!answer.headers.text("x-larder-reason").is_empty(), "{mode:?}");
            assert!(took < limit, "{mode:?}: request {n} took {took:?}");
            let started = Instant::now();
            let answer = stage
                .larder
                .get(&tests::stage::blob_path(&blob.digest))
                .await
                .expect("an answer");
            assert_eq!(answer.status, 404, "{mode:?}: {}", answer.text());
            assert!(
                started.elapsed() < limit,
                "{mode:?}: blob {n} took {:?}",
                started.elapsed()
            );
        }
    }
}

#[tokio::test]
async fn a_manifest_is_only_promised_with_all_it_needs() {
    let stage = Stage::with(Settings::default(), always_asking).await;
    let image = stage.image(1, 100_000);
    assert_eq!(stage.manifest(TAG).await.status, 200);
    stage.upstream.refuse().await;
    for reference in [TAG, image.digest()] {
        // Its layers are nowhere: a client that is given the manifest could not go back.
        assert_eq!(stage.manifest(reference).await.status, 404, "{reference}");
        assert_eq!(stage.manifest_head(reference).await.status, 404, "{reference}");
    }
    stage.upstream.recover().await;
    stage.pull_at_last(image.digest()).await;
    stage.settled().await;
    stage.upstream.refuse().await;
    for reference in [TAG, image.digest()] {
        assert_eq!(stage.manifest(reference).await.status, 200, "{reference}");
        assert_eq!(stage.manifest_head(reference).await.status, 200, "{reference}");
    }
}

#[tokio::test]
async fn an_index_needs_one_platform_and_a_platform_all_of_itself() {
    let stage = Stage::with(Settings::default(), always_asking).await;
    let mut arm = image(30, 50_000);
    arm.architecture = Some("arm64".to_owned());
    let both = index(vec![image(20, 50_000), arm]);
    stage.upstream.content().push(REPOSITORY, TAG, &both);
    stage.cache(&both).await;
    let other = both.for_architecture("arm64").digest();
    assert_eq!(
        stage.manifest(other).await.status,
        200,
        "the other platform's manifest can be had"
    );
    stage.upstream.refuse().await;
    assert_eq!(stage.pull().await.as_deref(), Ok(both.digest()), "amd64 is here");
    // By now the outage is known, not guessed from a single refusal.
    assert_eq!(stage.pull().await.as_deref(), Ok(both.digest()), "amd64 is here");
    assert_eq!(stage.manifest(other).await.status, 404, "arm64 is not");
    assert_eq!(stage.manifest_head(other).await.status, 404, "arm64 is not");
}

/// What a client was given in full is not lost by an orderly restart, published or not.
#[tokio::test]
async fn a_restart_right_after_a_pull_loses_nothing() {
    let mut stage = Stage::with(Settings::default(), always_asking).await;
    let image = stage.image(1, 1 << 20);
    assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()));
    stage.larder.stop().await;
    stage.upstream.refuse().await;
    stage.larder.resume().await;
    stage.pull_at_last(image.digest()).await;
}
