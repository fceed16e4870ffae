//! The console as it is asked over HTTP, without the network.

use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt as _, Full};

use super::*;

async fn ask(method: &str, path: &str, body: &'static str) -> (StatusCode, http::HeaderMap, String) {
    ask_as(Asker::Owner, method, path, body).await
}

async fn ask_as(
    asker: Asker,
    method: &str,
    path: &str,
    body: &'static str,
) -> (StatusCode, http::HeaderMap, String) {
    let console = fake::console();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a request");
    let (head, body) = console.answer(request, asker).await.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    (
        head.status,
        head.headers,
        String::from_utf8(bytes.to_vec()).expect("text"),
    )
}

#[tokio::test]
async fn every_path_is_answered() {
    for (method, path, status, says) in [
        ("GET", "/healthz", 200, "alive"),
        ("GET", "/readyz", 503, "the cache is opening"),
        ("GET", "/metrics", 200, "larder_build_info"),
        ("GET", "/api/v1/status", 200, "\"mode\":\"serving\""),
        ("GET", "/api/v1/images", 503, "being rebuilt"),
        ("GET", "/api/v1/nothing", 404, "\"error\":"),
        ("POST", "/healthz", 405, "\"error\":"),
        ("GET", "/api/v1/pull", 405, "\"error\":"),
        ("POST", "/api/v1/reload", 422, "`cache.policy`"),
        ("GET", "/api/v1/inspections", 200, "\"inspections\":[]"),
        ("GET", "/api/v1/inspect", 405, "\"error\":"),
        ("POST", "/api/v1/inspect", 400, "read the request"),
    ] {
        assert!(Console::owns(path), "{path}");
        let (answered, _, body) = ask(method, path, "").await;
        assert_eq!(answered.as_u16(), status, "{method} {path}");
        assert!(body.contains(says), "{method} {path}: {body}");
    }
    assert!(!Console::owns("/v2/") && !Console::owns("/"));
}

#[tokio::test]
async fn only_its_owner_changes_what_the_box_does() {
    for path in ["/api/v1/pull", "/api/v1/reload", "/api/v1/inspect"] {
        let body = r#"{"reference":"alpine"}"#;
        let (status, _, answer) = ask_as(Asker::Anyone, "POST", path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        assert!(answer.contains("on the box itself"), "{answer}");
    }
    for path in ["/healthz", "/metrics", "/api/v1/status"] {
        let (status, _, _) = ask_as(Asker::Anyone, "GET", path, "").await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_head_has_the_length_and_no_body() {
    let (status, headers, body) = ask("HEAD", "/healthz", "").await;
    assert_eq!((status.as_u16(), body.as_str()), (200, ""));
    assert_eq!(headers[header::CONTENT_LENGTH], "6");
}

#[tokio::test]
async fn a_pull_is_a_stream_of_lines() {
    let (status, headers, body) = ask(
        "POST",
        "/api/v1/pull",
        r#"{"reference":"busybox:3","platform":"linux/arm64"}"#,
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-ndjson");
    let events: Vec<PullEvent> = body
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect();
    let reason = "no docker.io/library/busybox:3 for linux/arm64".to_owned();
    assert_eq!(events.last(), Some(&PullEvent::Failed { reason }));
}

#[tokio::test]
async fn a_pull_of_nothing_is_refused_in_words() {
    for (body, says) in [
        ("", "read the request"),
        (r#"{"reference":"quay.io/a/b"}"#, "not a configured upstream"),
        (r#"{"reference":"A"}"#, "repository name"),
        (r#"{"reference":"a","platform":"amd64"}"#, "not a platform"),
    ] {
        let (status, _, answer) = ask("POST", "/api/v1/pull", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(answer.contains(says), "{answer}");
    }
}
