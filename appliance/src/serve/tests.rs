//! The whole house on port 0, as clients and commands see it.

use std::{net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};

mod figures;

use super::{knocking, service::Service, watched::Watched};
use crate::{
    api::{Images, Mode, PullEvent, Reloaded, Status, path},
    cache::{Disk, eviction::Cost},
    clock::Timestamp,
    config::{self, FileChoice, Inputs},
    oci::{Algorithm, Digest, Manifest, MediaType, Repository},
    telemetry::Log,
    watchdog::Answer,
};

/// A running house whose only upstream refuses connections.
struct Bed {
    service: Service,
    address: SocketAddr,
    dir: TempDir,
}

impl Bed {
    async fn new() -> Self {
        Self::with("").await
    }

    /// With more in the configuration.
    async fn with(more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let text = format!(
            "data_dir = {:?}\nbuiltin_upstreams = false\ndefault_upstream = \"up.test\"\n\
             [listen]\nhttp = \"127.0.0.1:0\"\n\
             [[upstream]]\nname = \"up.test\"\nendpoints = [\"http://127.0.0.1:9\"]\n{more}",
            dir.path().join("data")
        );
        let file = dir.path().join("larder.toml");
        std::fs::write(&file, text).expect("a file");
        let inputs = Inputs {
            file: FileChoice::Named(file),
            environment: std::collections::BTreeMap::new(),
        };
        let config = config::load(&inputs).expect("a configuration").config;
        let service = Service::start(config, inputs, Log::nowhere(), Watched::default(), Disk::real())
            .await
            .expect("started");
        let address = service.bound().http.expect("a port");
        Self {
            service,
            address,
            dir,
        }
    }

    fn cost(&self, upstream: &str) -> Cost {
        let facts = &self.service.facts;
        let costs = super::obtaining::costs(&facts.site.load(), &facts.opened);
        costs(&upstream.parse().expect("valid"))
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) = self.ask(Method::GET, path, "").await;
        (status, body)
    }

    async fn ask(&self, method: Method, path: &str, body: &str) -> (StatusCode, http::HeaderMap, String) {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        exchange(TokioIo::new(stream), method, path, body).await
    }

    async fn ask_locally(&self, method: Method, path: &str, body: &str) -> (StatusCode, String) {
        let socket = self.dir.path().join("data/larder.sock");
        let (status, _, body) = exchange(TokioIo::new(connected(&socket).await), method, path, body).await;
        (status, body)
    }
}

async fn connected(socket: &Path) -> UnixStream {
    UnixStream::connect(socket).await.expect("connected")
}

async fn exchange<I>(io: I, method: Method, path: &str, body: &str) -> (StatusCode, http::HeaderMap, String)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP");
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "box")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request");
    let (head, body) = sender
        .send_request(request)
        .await
        .expect("an answer")
        .into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    (head.status, head.headers, text)
}

#[tokio::test]
async fn what_an_upstream_had_that_fails_for_long_is_dear() {
    // A registry that has nothing, and says so.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
                    if stream.write_all(answer).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let other = format!("[[upstream]]\nname = \"other.test\"\nendpoints = [\"http://{address}\"]\n");
    let bed = Bed::with(&other).await;
    let ask = async |upstream: &str| {
        let (status, _) = bed.get(&format!("/v2/{upstream}/a/manifests/1")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    };
    for _ in 0..3 {
        ask("up.test").await;
        ask("other.test").await;
    }
    assert_eq!(bed.cost("up.test"), Cost::ORDINARY, "it may be a hiccup");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(700)).await;
    tokio::time::resume();
    ask("up.test").await;
    assert_eq!(bed.cost("up.test"), Cost::ORDINARY, "it may be the WAN");
    ask("other.test").await;
    assert_eq!(bed.cost("up.test"), Cost::UNOBTAINABLE);
    assert_eq!(bed.cost("other.test"), Cost::ORDINARY);
    assert_eq!(bed.cost("docker.io"), Cost::COUNTED);
}

#[tokio::test]
async fn an_image_says_when_it_was_pulled_last() {
    let bed = Bed::new().await;
    let facts = &bed.service.facts;
    let bytes = Bytes::from_static(b"{}");
    let manifest = Manifest {
        digest: Digest::of(Algorithm::Sha256, &bytes),
        media_type: MediaType::OCI_MANIFEST.parse().expect("valid"),
        bytes,
    };
    let repository = Repository {
        upstream: "up.test".parse().expect("valid"),
        path: "a".parse().expect("valid"),
    };
    let cache = facts.mirror.cache();
    cache.put_manifest(&repository, &manifest).await.expect("stored");
    let (tag, now) = ("1".parse().expect("valid"), facts.clock.now());
    let put = cache.put_tag(&repository, &tag, manifest.digest, now);
    put.await.expect("stored");
    let last = async || {
        let (_, told) = bed.get(path::IMAGES).await;
        let told: Images = serde_json::from_str(&told).expect("images");
        told.images[0].last_pulled_seconds_ago.expect("known")
    };
    assert!(last().await < 80);
    facts.clock.not_before(Timestamp(now.0 + 90));
    assert!((90..170).contains(&last().await));
    assert_eq!(bed.get("/v2/up.test/a/manifests/1").await.0, StatusCode::OK);
    assert!(last().await < 80);
}

#[tokio::test]
async fn every_door_leads_somewhere() {
    let bed = Bed::new().await;
    for (path, status, says) in [
        ("/healthz", 200, "alive"),
        ("/readyz", 200, "ready"),
        ("/v2/", 200, "{}"),
        ("/", 200, "a mirror for container images"),
        ("/nowhere", 404, "nothing here"),
        ("/api/v1/nowhere", 404, "error"),
        (path::IMAGES, 200, "\"images\":[]"),
    ] {
        let (answered, body) = bed.get(path).await;
        assert_eq!(answered.as_u16(), status, "{path}: {body}");
        assert!(body.contains(says), "{path}: {body}");
    }
    for path in ["/", "/healthz", path::IMAGES, "/v2/"] {
        let (_, _, body) = bed.ask(Method::GET, path, "").await;
        let (status, headers, nothing) = bed.ask(Method::HEAD, path, "").await;
        assert_eq!((status, nothing.as_str()), (StatusCode::OK, ""), "{path}");
        let length = headers[header::CONTENT_LENGTH].to_str().expect("text");
        assert_eq!(length, body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn a_scraper_finds_every_family() {
    let bed = Bed::new().await;
    let (status, _) = bed.get("/v2/a/manifests/latest").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, page) = bed.get("/metrics").await;
    for line in [
        "larder_requests_total{kind=\"manifest\",status=\"4xx\"} 1",
        "larder_cache_outcomes_total{kind=\"blob\",outcome=\"hit\"} 0",
        "larder_cache_outcomes_total{kind=\"blob\",outcome=\"miss\"} 0",
        "larder_cache_outcomes_total{kind=\"manifest\",outcome=\"stale\"} 0",
        "larder_cache_outcomes_total{kind=\"blob\",outcome=\"pass\"} 0",
        "larder_wan_bytes_total{upstream=\"up.test\",endpoint=\"http://127.0.0.1:9\"} 0",
        "larder_upstream_health{upstream=\"up.test\",endpoint=\"http://127.0.0.1:9\",state=\"closed\"} 0",
        "larder_fills_in_flight 0",
        "larder_buffer_in_use_bytes 0",
        "larder_cache_writable 1",
        "larder_cache_blobs 0",
        "larder_log_lines_dropped_total 0",
    ] {
        assert!(page.lines().any(|l| l == line), "no {line:?} in:\n{page}");
    }
    for family in [
        "larder_bytes_served_total ",
        "larder_upstream_faults_total{upstream=\"up.test\"",
        "# TYPE larder_upstream_latency_seconds gauge",
        "# TYPE larder_ratelimit_remaining gauge",
        "larder_wan_received_bytes_total ",
        "larder_buffer_capacity_bytes ",
        "larder_filesystem_free_bytes ",
        "process_resident_memory_bytes ",
    ] {
        assert!(
            page.lines().any(|l| l.starts_with(family)),
            "no {family:?} in:\n{page}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let bed = Bed::new().await;
    let read = |text: &str| serde_json::from_str::<Status>(text).expect("a status");
    let (_, text) = bed.ask_locally(Method::GET, path::STATUS, "").await;
    let status = read(&text);
    assert_eq!((status.mode, status.upstreams.len()), (Mode::Serving, 1));
    assert!(status.cache.is_some_and(|cache| cache.bytes_limit > 0));
    bed.get("/v2/a/manifests/latest").await;
    let (_, text) = bed.ask_locally(Method::GET, path::STATUS, "").await;
    let status = read(&text);
    assert_eq!(status.mode, Mode::Degraded, "{text}");
    assert!(status.reasons[0].contains("up.test"), "{text}");
}

#[tokio::test]
async fn a_pull_tells_how_it_ends() {
    let bed = Bed::new().await;
    let (status, text) = bed
        .ask_locally(Method::POST, path::PULL, r#"{"reference":"a:1"}"#)
        .await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let last = text.lines().last().expect("a line");
    match serde_json::from_str(last).expect("an event") {
        PullEvent::Failed { reason } => assert!(reason.contains("up.test/a:1"), "{reason}"),
        other => panic!("ended by {other:?}"),
    }
    let (status, _, _) = bed.ask(Method::POST, path::PULL, r#"{"reference":"a:1"}"#).await;
    assert_eq!(status, StatusCode::OK, "from this machine");
}

impl Bed {
    /// Adds text to the file, and has it read again.
    async fn reload(&self, more: &str) -> (StatusCode, String) {
        let file = self.dir.path().join("larder.toml");
        let text = std::fs::read_to_string(&file).expect("a file");
        std::fs::write(&file, text + more).expect("a file");
        self.ask_locally(Method::POST, path::RELOAD, "").await
    }
}

#[tokio::test]
async fn what_can_change_changes_and_the_rest_is_named() {
    let bed = Bed::new().await;
    bed.get("/v2/a/manifests/latest").await;
    let name = "[[upstream]]\nname = \"other.test\"\nendpoints = [\"http://127.0.0.1:9/below\"]\n";
    let more = format!("{name}[fetch]\nmax_wan_rate = \"1MiB/s\"\nbuffer_bytes = \"64MiB\"\n");
    let (status, text) = bed.reload(&more).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let told: Reloaded = serde_json::from_str(&text).expect("an answer");
    assert_eq!(told.applied, ["fetch.max_wan_rate", "upstream other.test added"]);
    assert_eq!(told.needs_restart, ["fetch.buffer_bytes"]);
    let (status, body) = bed.get("/v2/other.test/a/manifests/latest").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("127.0.0.1:9/below"), "{body}");
    let (_, page) = bed.get("/metrics").await;
    let kept = "larder_upstream_requests_total{upstream=\"up.test\",endpoint=\"http://127.0.0.1:9\"} 0";
    assert!(
        page.contains("upstream=\"other.test\"") && !page.contains(kept),
        "{page}"
    );
}

#[tokio::test]
async fn a_mistake_changes_nothing() {
    let bed = Bed::new().await;
    let (status, text) = bed.reload("[fetch]\nfirst_byte_timeout = \"soon\"\n").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
    assert!(
        text.contains("first_byte_timeout") && text.contains("larder.toml"),
        "{text}"
    );
    bed.service.reload().await;
    assert_eq!(bed.get("/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn it_stops_when_it_is_told_to() {
    let bed = Bed::new().await;
    bed.service.stop(std::future::pending()).await;
    assert!(TcpStream::connect(bed.address).await.is_err());
    assert!(!bed.dir.path().join("data/larder.sock").exists());
}

#[tokio::test]
async fn its_own_knock_is_answered_and_counts_for_nothing() {
    let bed = Bed::new().await;
    let knock = knocking::knock(&bed.service.facts.site.load(), &bed.service.mark).expect("an upstream");
    for _ in 0..3 {
        let answer = knock.at(bed.address).await;
        assert!(matches!(answer, Answer::Right), "{answer:?}");
    }
    let totals = bed.service.facts.metrics.totals();
    assert_eq!((totals.requests, totals.hits, totals.bytes_served), (0, 0, 0));
    // Who only says that he is it is a client like any other.
    let (status, body) = bed.get(&knock.path).await;
    assert_eq!((status, body.as_bytes()), (StatusCode::OK, knock.content));
    let (status, headers, _) = bed.ask(Method::HEAD, &knock.path, "").await;
    let length = headers[header::CONTENT_LENGTH].to_str().expect("text");
    assert_eq!(
        (status, length),
        (StatusCode::OK, knock.content.len().to_string().as_str())
    );
    assert_eq!(bed.service.facts.metrics.totals().requests, 2);
    bed.service.stop(std::future::pending()).await;
    assert!(matches!(knock.at(bed.address).await, Answer::Wrong(_)));
}
