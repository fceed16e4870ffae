//! What is asked, and what comes of it, where nothing is wrong; redirects.

use super::{server::*, *};

fn manifest_reply() -> Reply {
    ok(MANIFEST)
        .header("content-type", MediaType::OCI_INDEX)
        .header("docker-content-digest", &digest(MANIFEST).to_string())
}

#[tokio::test]
async fn looking_up_is_a_head_and_fetching_is_verified() {
    let server = Server::start(|_| {
        manifest_reply()
            .header("ratelimit-limit", "100;w=21600")
            .header("ratelimit-remaining", "76;w=21600")
    })
    .await;
    let endpoint = endpoint(&server);
    let resolved = endpoint
        .resolve(&repository(), &tag(), soon())
        .await
        .expect("found");
    assert_eq!(resolved.digest, digest(MANIFEST));
    assert_eq!(resolved.size, Some(MANIFEST.len() as u64));
    assert_eq!(resolved.media_type.as_str(), MediaType::OCI_INDEX);
    let manifest = endpoint
        .manifest(&repository(), &by_digest(), soon())
        .await
        .expect("found");
    assert_eq!(&manifest.bytes[..], MANIFEST);
    assert_eq!(
        server.lines(),
        [
            "HEAD /v2/library/alpine/manifests/3.20".to_owned(),
            format!("GET /v2/library/alpine/manifests/{}", digest(MANIFEST)),
        ]
    );
    let seen = &server.seen()[0];
    assert_eq!(seen.header("accept"), Some(MediaType::ACCEPT));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let status = endpoint.status();
    assert_eq!(
        status.ledger,
        Some(Ledger {
            limit: 100,
            remaining: 76,
            window_seconds: 21_600
        })
    );
    assert_eq!(status.requests, 2);
    assert!(status.answered.is_some() && status.latency.is_some() && status.last_error.is_none());
    assert_eq!(status.ipv4, FamilyHealth::Working);
}

#[tokio::test]
async fn a_registry_that_does_not_do_head_is_asked_by_get() {
    for answer in [status(405), status(404), ok(MANIFEST), manifest_reply()] {
        let server = Server::start(move |seen| match (&seen.method, &answer) {
            (&http::Method::HEAD, answer) => answer.clone(),
            _ => ok(MANIFEST).header("content-type", "application/json"),
        })
        .await;
        let resolved = endpoint(&server)
            .resolve(&repository(), &tag(), soon())
            .await
            .expect("found");
        assert_eq!(resolved.digest, digest(MANIFEST));
        assert_eq!(
            resolved.media_type.as_str(),
            MediaType::OCI_INDEX,
            "from the document"
        );
    }
}

#[tokio::test]
async fn a_missing_manifest_is_not_asked_for_twice() {
    let server = Server::start(|_| status(404).header("content-type", "application/json")).await;
    let endpoint = endpoint(&server);
    assert_eq!(
        fault(endpoint.resolve(&repository(), &tag(), soon()).await),
        Fault::NotFound
    );
    assert_eq!(server.lines().len(), 1);
    assert!(matches!(
        endpoint.health(),
        crate::source::Health::Closed { answered: Some(_) }
    ));
}

#[tokio::test]
async fn a_blob_comes_whole_or_from_the_middle() {
    let server = Server::start(|seen| match seen.header("range") {
        None => ok(BLOB),
        Some("bytes=10-") => status(206)
            .body(&BLOB[10..])
            .header("content-length", "6")
            .header("content-range", "bytes 10-15/16"),
        Some(other) => panic!("{other}"),
    })
    .await;
    let endpoint = endpoint(&server);
    let whole = blob(&endpoint, 0).await.expect("found");
    assert_eq!((whole.start, whole.size), (0, Some(16)));
    assert_eq!(drain(whole).await.0, BLOB);
    let part = blob(&endpoint, 10).await.expect("found");
    assert_eq!((part.start, part.size), (10, Some(16)));
    assert_eq!(drain(part).await.0, &BLOB[10..]);
    let size = endpoint
        .stat_blob(&repository(), &digest(BLOB), soon())
        .await
        .expect("found");
    assert_eq!(size, Some(16));
    assert_eq!(endpoint.status().wan_bytes, 22);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_taken_to_its_end() {
    let server = Server::start(|_| status(200).body(BLOB)).await;
    let stream = blob(&endpoint(&server), 0).await.expect("found");
    assert_eq!(stream.size, None);
    let (bytes, error) = drain(stream).await;
    assert_eq!((&bytes[..], error.is_none()), (BLOB, true));
}

#[tokio::test]
async fn a_registry_that_ignores_the_range_says_where_it_starts() {
    let server = Server::start(|_| ok(BLOB)).await;
    let stream = blob(&endpoint(&server), 10).await.expect("found");
    assert_eq!((stream.start, stream.size), (0, Some(16)));
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_the_range_along_and_not_the_password() {
    let cdn = Server::start(|_| {
        status(206)
            .body(&BLOB[10..])
            .header("content-length", "6")
            .header("content-range", "bytes 10-15/16")
    })
    .await;
    let location = format!("{}/store?sig=1", cdn.url());
    let registry = Server::start(move |seen| match seen.header("authorization") {
        None => status(401).header("www-authenticate", "Basic realm=\"x\""),
        Some(_) if seen.path.ends_with("/moved") => status(302).header("location", &location),
        Some(_) => status(307).header("location", "/v2/moved"),
    })
    .await;
    let endpoint = only(
        &client(options()),
        &Settings {
            credentials: credentials(),
            ..settings(&registry.url())
        },
    );
    let stream = blob(&endpoint, 10).await.expect("found");
    assert_eq!(drain(stream).await.0, &BLOB[10..]);
    let seen = &cdn.seen()[0];
    assert_eq!(seen.header("range"), Some("bytes=10-"));
    assert_eq!(seen.header("authorization"), None);
    let moved = &registry.seen()[2];
    assert_eq!(moved.path, "/v2/moved");
    assert!(
        moved.header("authorization").is_some(),
        "the same host may know it"
    );
}

#[tokio::test]
async fn a_loop_of_redirects_is_untrustworthy() {
    let server = Server::start(|seen| {
        let next = if seen.path.ends_with("/a") { "/b" } else { "/a" };
        status(302).header("location", next)
    })
    .await;
    assert_eq!(fault(blob(&endpoint(&server), 0).await), Fault::Untrustworthy);
    assert_eq!(server.lines().len(), 3);
}

/// A CDN that knows only the URL that ends in `good`.
async fn cdn(good: &'static str) -> (Server, Server) {
    let cdn = Server::start(move |seen| {
        if seen.path.ends_with(good) {
            ok(BLOB)
        } else {
            status(403)
        }
    })
    .await;
    let count = std::sync::atomic::AtomicU32::new(0);
    let url = cdn.url();
    let registry = Server::start(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        status(307).header("location", &format!("{url}/{n}"))
    })
    .await;
    (cdn, registry)
}

#[tokio::test]
async fn an_expired_cdn_url_is_asked_for_anew_once() {
    let (_cdn, registry) = cdn("/1").await;
    let stream = blob(&endpoint(&registry), 0).await.expect("found");
    assert_eq!(drain(stream).await.0, BLOB);
    assert_eq!(registry.lines().len(), 2);

    let (cdn, registry) = cdn("/2").await;
    assert_eq!(
        fault(blob(&endpoint(&registry), 0).await),
        Fault::Unavailable,
        "never NotFound"
    );
    assert_eq!((registry.lines().len(), cdn.lines().len()), (2, 2));
}
