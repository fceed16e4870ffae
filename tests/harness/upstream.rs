//! Without a script the upstream is a correct registry: ranges, tokens, redirects, modes, rate, record.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tests::{
    client::{self, Request},
    images::{Blob, noise},
    upstream::{Auth, Kind, Mode, Settings, Upstream},
};

async fn with_blob(settings: Settings, size: usize) -> (Upstream, Blob, String) {
    let upstream = settings.start().await;
    let blob = Blob::new("application/octet-stream", noise(1, size));
    upstream.content().push_blob("a/b", &blob);
    let path = format!("/v2/a/b/blobs/{}", blob.digest);
    (upstream, blob, path)
}

#[tokio::test]
async fn serves_ranges_and_keeps_the_record() {
    let (upstream, blob, path) = with_blob(Settings::default(), 10_000).await;
    for (range, status, part, label) in [
        ("bytes=0-9", 206, blob.bytes.slice(..10), "bytes 0-9/10000"),
        (
            "bytes=9990-",
            206,
            blob.bytes.slice(9990..),
            "bytes 9990-9999/10000",
        ),
        ("bytes=-5", 206, blob.bytes.slice(9995..), "bytes 9995-9999/10000"),
        ("bytes=0-1,4-5", 200, blob.bytes.clone(), ""),
    ] {
        let answer = Request::get(&path)
            .range(range)
            .send(upstream.address())
            .await
            .expect("an answer");
        let answer = answer.complete().await.expect("a whole answer");
        assert_eq!((answer.status, &answer.bytes), (status, &part), "{range}");
        assert_eq!(answer.headers.text("content-range"), label, "{range}");
    }
    let beyond = Request::get(&path)
        .range("bytes=10000-")
        .send(upstream.address())
        .await
        .expect("an answer");
    assert_eq!(beyond.status, 416);
    assert_eq!(upstream.log().gets_of(&blob.digest).len(), 5);
    let errors = beyond.headers.length().expect("a length");
    assert_eq!(
        upstream.log().bytes_of(&blob.digest),
        10 + 10 + 5 + 10_000 + errors
    );
}

#[tokio::test]
async fn asks_for_tokens_by_scope() {
    let settings = Settings::default().auth(Auth::basic("user", "secret"));
    let (upstream, blob, path) = with_blob(settings, 10).await;
    let at = upstream.address();
    let refused = client::get(at, &path).await.expect("an answer");
    assert_eq!(
        (refused.status, refused.error_code().as_str()),
        (401, "UNAUTHORIZED")
    );
    let challenge = refused.headers.text("www-authenticate");
    assert!(challenge.contains("scope=\"repository:a/b:pull\""), "{challenge}");
    let token = |scope: &str, credentials: &str| {
        let request = Request::get(format!("/token?service=scripted&scope={scope}"));
        request.header("Authorization", credentials).send(at)
    };
    let wrong = token("repository:a/b:pull", "Basic bm8=")
        .await
        .expect("an answer");
    assert_eq!(wrong.status, 401);
    for (scope, status) in [("repository%3Aa%2Fb%3Apull", 200), ("repository:other:pull", 401)] {
        let given = token(scope, "Basic dXNlcjpzZWNyZXQ=").await.expect("an answer");
        let given = given.complete().await.expect("a token").json();
        let bearer = format!("Bearer {}", given["token"].as_str().expect("a token"));
        let answer = Request::get(&path)
            .header("Authorization", &bearer)
            .send(at)
            .await
            .expect("an answer");
        assert_eq!(answer.status, status, "{scope}");
        if status == 200 {
            assert_eq!(answer.complete().await.expect("the blob").bytes, blob.bytes);
            upstream.revoke_tokens();
            let again = Request::get(&path)
                .header("Authorization", &bearer)
                .send(at)
                .await
                .expect("an answer");
            assert_eq!(again.status, 401, "a revoked token is worthless");
        }
    }
}

#[tokio::test]
async fn redirects_to_a_cdn_that_takes_no_credentials() {
    let (upstream, blob, path) = with_blob(Settings::default().redirects(), 10).await;
    let redirect = client::get(upstream.address(), &path).await.expect("an answer");
    assert_eq!(redirect.status, 307);
    let location = redirect.headers.text("location").to_owned();
    let (host, path) = location
        .strip_prefix("http://")
        .and_then(|l| l.split_once('/'))
        .expect("a URL");
    let cdn = host.parse().expect("an address");
    let answer = client::get(cdn, format!("/{path}")).await.expect("an answer");
    assert_eq!(answer.bytes, blob.bytes);
    let with = Request::get(format!("/{path}"))
        .header("Authorization", "Bearer x")
        .send(cdn)
        .await;
    assert_eq!(with.expect("an answer").status, 400);
    assert_eq!(upstream.log().count(Kind::Cdn), 2);
}

#[tokio::test]
async fn is_as_slow_as_it_is_told() {
    const RATE: u64 = 4 << 20;
    let (upstream, blob, path) = with_blob(Settings::default().rate(RATE), 2 << 20).await;
    let started = Instant::now();
    let answer = client::get(upstream.address(), path).await.expect("the blob");
    let took = started.elapsed();
    assert_eq!(answer.bytes, blob.bytes);
    // 2 MiB at 4 MiB/s. Never faster; how much slower is up to the machine.
    assert!(took > Duration::from_millis(450), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn refuses_black_holes_and_recovers_on_the_same_port() {
    let (upstream, blob, path) = with_blob(Settings::default(), 10).await;
    let at = upstream.address();
    let short = Duration::from_millis(400);
    upstream.refuse().await;
    let refused = client::get(at, &path)
        .await
        .expect_err("nothing listens")
        .to_string();
    assert!(refused.contains("refused"), "{refused}");
    upstream.recover().await;
    assert_eq!(client::get(at, &path).await.expect("an answer").bytes, blob.bytes);
    upstream.black_hole().await;
    let connecting = tokio::time::timeout(short, tokio::net::TcpStream::connect(at)).await;
    assert!(
        connecting.is_err(),
        "connecting to a black hole takes for ever: {connecting:?}"
    );
    upstream.recover().await;
    assert_eq!(client::get(at, &path).await.expect("an answer").bytes, blob.bytes);
    upstream.set_mode(Mode::Silent).await;
    let waiting = tokio::time::timeout(short, client::get(at, &path)).await;
    assert!(waiting.is_err(), "a silent upstream does not answer: {waiting:?}");
    upstream.recover().await;
    assert_eq!(client::get(at, &path).await.expect("an answer").bytes, blob.bytes);
}

#[tokio::test]
async fn lists_tags_in_pages_and_referrers() {
    let upstream = Upstream::start().await;
    let zoo = tests::images::Zoo::small();
    let image = zoo.get("zoo/layers");
    for tag in ["c", "a", "b"] {
        upstream.content().push("r", tag, image);
    }
    let signature = tests::images::Zoo::signature(image);
    upstream.content().push("r", "sig", &signature);
    let page = client::get(upstream.address(), "/v2/r/tags/list?n=2&last=a")
        .await
        .expect("a page");
    assert_eq!(page.json()["tags"], serde_json::json!(["b", "c"]));
    assert!(page.headers.text("link").contains("n=2&last=c"));
    let referrers = client::get(upstream.address(), format!("/v2/r/referrers/{}", image.digest())).await;
    let referrers = referrers.expect("an index").json();
    assert_eq!(referrers["manifests"][0]["digest"], signature.digest());
    assert_eq!(
        referrers["manifests"][0]["artifactType"],
        tests::images::Zoo::SIGNATURE
    );
}

#[tokio::test]
async fn speaks_tls_with_an_authority_of_its_own() {
    let (upstream, blob, path) = with_blob(Settings::default().tls(), 70_000).await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, upstream.ca_pem()).expect("a temporary file");
    let copy = folder.path().join("blob");
    tests::process::Program::new("curl", "curl")
        .args(["--fail", "--silent", "--show-error", "--cacert"])
        .arg(&ca)
        .arg("--output")
        .arg(&copy)
        .arg(format!("{}{path}", upstream.url()))
        .run(folder.path(), Duration::from_secs(30))
        .await
        .expect_ok();
    assert_eq!(
        Bytes::from(std::fs::read(copy).expect("what curl wrote")),
        blob.bytes
    );
}
