use http::HeaderValue;

use super::*;

fn media_type(content_type: Option<&'static str>, document: &'static str) -> Option<String> {
    let mut headers = HeaderMap::new();
    if let Some(content_type) = content_type {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    let tag = Reference::Tag("latest".parse().expect("valid"));
    let manifest = verified(&headers, Bytes::from_static(document.as_bytes()), &tag).ok()?;
    Some(manifest.media_type.to_string())
}

#[test]
fn the_media_type_is_the_headers_then_the_documents_then_guessed() {
    let own = r#"{"mediaType":"application/vnd.example+json","manifests":[]}"#;
    for (content_type, document, expected) in [
        (Some(MediaType::DOCKER_LIST), own, Some(MediaType::DOCKER_LIST)),
        (
            Some("application/json; charset=utf-8"),
            own,
            Some("application/vnd.example+json"),
        ),
        (Some("nonsense"), own, Some("application/vnd.example+json")),
        (None, r#"{"manifests":[]}"#, Some(MediaType::OCI_INDEX)),
        (
            None,
            r#"{"config":{},"layers":[]}"#,
            Some(MediaType::OCI_MANIFEST),
        ),
        (
            Some("text/plain"),
            r#"{"schemaVersion":1,"fsLayers":[]}"#,
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
        ),
        (None, "{}", None),
        (Some(MediaType::OCI_INDEX), "not JSON", None),
    ] {
        assert_eq!(
            media_type(content_type, document).as_deref(),
            expected,
            "{document}"
        );
    }
}

#[test]
fn a_declared_digest_is_checked_with_its_own_algorithm() {
    let document = br#"{"manifests":[]}"#;
    let declared = Digest::of(Algorithm::Sha512, document);
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(declared.to_string()).expect("valid");
    headers.insert("docker-content-digest", value);
    let tag = Reference::Tag("latest".parse().expect("valid"));
    let manifest = verified(&headers, Bytes::from_static(document), &tag).expect("right");
    assert_eq!(manifest.digest, declared);
    assert!(verified(&headers, Bytes::from_static(b"{}"), &tag).is_err());
}
