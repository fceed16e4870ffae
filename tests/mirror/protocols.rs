//! One listener, every protocol: HTTP/1.1 and HTTP/2, plain and over TLS with the box's own certificate.
//!
//! Driven by curl, which speaks all four and says which one it spoke.

use std::{path::Path, time::Duration};

use tests::{
    digest,
    larder::Config,
    process::Program,
    stage::{Stage, blob_path},
    upstream::Settings,
};

const LIMIT: Duration = Duration::from_secs(60);

fn with_tls(config: Config) -> Config {
    config.set("listen.https", "\"127.0.0.1:0\"")
}

/// The address after `"https":"` in the log.
fn https_address(log: &str) -> String {
    let (_, rest) = log
        .split_once("\"https\":\"")
        .expect("the `listening` line names it");
    rest.split('"').next().expect("a closing quote").to_owned()
}

/// Fetches `url`; gives the protocol that was spoken, the status and the bytes.
async fn fetch(options: &[&str], url: &str) -> (String, String, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let body = folder.path().join("body");
    let curl = Program::new("curl", "curl")
        .args(["-s", "-S", "-k", "-w", "%{http_version} %{http_code}\\n", "-o"])
        .arg(&body)
        .args(options)
        .arg(url);
    let finished = curl.run(Path::new(folder.path()), LIMIT).await.expect_ok();
    let said = finished
        .output
        .lines()
        .last()
        .expect("what was spoken")
        .to_owned();
    let (protocol, status) = said.split_once(' ').expect("two words");
    let bytes = std::fs::read(&body).expect("a body");
    (protocol.to_owned(), status.to_owned(), bytes)
}

#[tokio::test]
async fn blobs_are_right_in_every_protocol() {
    let stage = Stage::with(Settings::default(), with_tls).await;
    let (plain, tls) = (
        stage.larder.url(),
        format!("https://{}", https_address(&stage.larder.process().log())),
    );
    let ways: [(&str, &[&str], &str); 4] = [
        ("1.1", &["--http1.1"], &plain),
        ("2", &["--http2-prior-knowledge"], &plain),
        ("1.1", &["--http1.1"], &tls),
        ("2", &["--http2"], &tls),
    ];
    for (seed, (protocol, options, base)) in (1..).zip(ways) {
        // Larger than any window or buffer on the way, and not a multiple of one.
        let blob = stage.blob(seed, 3_000_001);
        let url = format!("{base}{}", blob_path(&blob.digest));
        for round in ["cold", "warm"] {
            let (spoken, status, bytes) = fetch(options, &url).await;
            assert_eq!(
                (spoken.as_str(), status.as_str()),
                (protocol, "200"),
                "{url} {round}"
            );
            assert_eq!(digest::sha256(&bytes), blob.digest, "{url} {round}");
        }
        let ranged: Vec<_> = options.iter().copied().chain(["-r", "2000000-2999999"]).collect();
        let (_, status, bytes) = fetch(&ranged, &url).await;
        assert_eq!(status, "206", "{url}");
        assert!(
            bytes == blob.bytes[2_000_000..3_000_000],
            "{url}: another range came"
        );
    }
    let metrics = stage.larder.metrics().await;
    assert_eq!(
        metrics.sum("larder_buffer_in_use_bytes"),
        0.0,
        "nothing is in flight any more"
    );
}
