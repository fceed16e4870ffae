//! Which upstream a request is for: `ns`, the first part of the path, the default, and Docker Hub's aliases.

use tests::{
    larder::{Config, Entry, Larder},
    sequences,
    stage::{REPOSITORY, TAG, image, quick},
    upstream::{Kind, Upstream},
};

#[tokio::test]
async fn ns_prefix_and_default_lead_to_their_upstreams() {
    let (hub, other) = (Upstream::start().await, Upstream::start().await);
    let config = quick(&[other.url()])
        .upstream(Entry::new("docker.io", &[hub.url()]))
        .upstream(Entry::new("box.test:5010", &[other.url()]))
        .set("default_upstream", "\"docker.io\"");
    let larder = Larder::start(config).await;
    let (at_hub, at_other) = (image(1, 1000), image(2, 1000));
    hub.content().push(REPOSITORY, TAG, &at_hub);
    hub.content().push("library/alpine", TAG, &at_hub);
    other.content().push(REPOSITORY, TAG, &at_other);
    let at = larder.address();
    let pulls = [
        (
            sequences::containerd(at, "registry.test", REPOSITORY, TAG).await,
            &at_other,
        ),
        (
            sequences::containerd(at, "box.test:5010", REPOSITORY, TAG).await,
            &at_other,
        ),
        (
            sequences::containerd(at, "docker.io", REPOSITORY, TAG).await,
            &at_hub,
        ),
        (
            sequences::containerd(at, "index.docker.io", REPOSITORY, TAG).await,
            &at_hub,
        ),
        (
            sequences::containerd(at, "registry-1.docker.io", REPOSITORY, TAG).await,
            &at_hub,
        ),
        (
            sequences::containerd(at, "docker.io", "library/alpine", TAG).await,
            &at_hub,
        ),
        (
            sequences::skopeo(at, "registry.test", REPOSITORY, TAG).await,
            &at_other,
        ),
        (sequences::skopeo(at, "docker.io", REPOSITORY, TAG).await, &at_hub),
        (sequences::skopeo(at, "docker.io", "alpine", TAG).await, &at_hub),
        (sequences::dockerd(at, REPOSITORY, TAG).await, &at_hub),
        (sequences::dockerd(at, "library/alpine", TAG).await, &at_hub),
        (sequences::dockerd(at, "alpine", TAG).await, &at_hub),
        (
            sequences::dockerd(at, &format!("registry.test/{REPOSITORY}"), TAG).await,
            &at_other,
        ),
    ];
    for (n, (pulled, image)) in pulls.iter().enumerate() {
        assert_eq!(pulled.as_deref(), Ok(image.digest()), "pull {n}");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_configured_is_unknown_at_once() {
    let upstream = Upstream::start().await;
    let larder = Larder::start(quick(&[upstream.url()])).await;
    let elsewhere = upstream.address().to_string().replace(':', "%3A");
    for path in [
        format!("/v2/{REPOSITORY}/manifests/{TAG}?ns=unknown.test"),
        format!("/v2/{REPOSITORY}/manifests/{TAG}?ns={elsewhere}"),
        format!("/v2/{REPOSITORY}/blobs/sha256:{}?ns=unknown.test", "0".repeat(64)),
        format!("/v2/{REPOSITORY}/tags/list?ns=unknown.test"),
    ] {
        let answer = larder.get(&path).await.expect("an answer");
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (404, "NAME_UNKNOWN"),
            "{path}"
        );
    }
    // `ns` is looked up, never dialled, nor is it the default's business.
    assert_eq!(upstream.log().all().len(), 0, "{}", upstream.log().story());
}

#[tokio::test]
async fn the_namespace_is_told_back() {
    let upstream = Upstream::start().await;
    let larder = Larder::start(quick(&[upstream.url()])).await;
    let image = image(1, 1000);
    upstream.content().push(REPOSITORY, TAG, &image);
    let path = format!("/v2/{REPOSITORY}/manifests/{TAG}");
    let with = larder
        .head(&format!("{path}?ns=registry.test"))
        .await
        .expect("an answer");
    assert_eq!(
        (with.status, with.headers.text("oci-namespace")),
        (200, "registry.test")
    );
}

#[tokio::test]
async fn without_a_default_bare_names_are_unknown_or_the_hubs() {
    let hub = Upstream::start().await;
    let larder = Larder::start(Config::new().upstream(Entry::new("docker.io", &[hub.url()]))).await;
    let image = image(1, 1000);
    hub.content().push("library/alpine", TAG, &image);
    let pulled = sequences::dockerd(larder.address(), "library/alpine", TAG).await;
    assert_eq!(pulled.as_deref(), Ok(image.digest()));
    assert!(hub.log().count(Kind::GetManifest) >= 1);
}

#[tokio::test]
async fn patterns_close_repositories() {
    let upstream = Upstream::start().await;
    let config = quick(&[upstream.url()])
        .upstream_key("allow", "[\"team/*\"]")
        .upstream_key("deny", "[\"team/secret\"]");
    let larder = Larder::start(config).await;
    let image = image(1, 1000);
    for (repository, status) in [("team/app", 200), ("team/secret", 404), ("else/where", 404)] {
        upstream.content().push(repository, TAG, &image);
        let request = tests::client::Request::head(format!("/v2/{repository}/manifests/{TAG}"));
        let request = request.header("Accept", sequences::ACCEPT.join(","));
        let answer = larder.send(request).await.expect("an answer");
        assert_eq!(answer.status, status, "{repository}");
    }
}
