//! Tags: how long they are believed, how they are checked, and what becomes of those that are not there.

use tests::{
    stage::{REPOSITORY, Stage, TAG, image},
    upstream::{Fault, Kind, Settings},
    wait,
};

async fn with_ttl(ttl: &str) -> Stage {
    let ttl = format!("\"{ttl}\"");
    Stage::with(Settings::default(), |c| c.upstream_key("tag_ttl", &ttl)).await
}

#[tokio::test]
async fn within_its_time_to_live_nobody_is_asked() {
    let stage = with_ttl("1h").await;
    let old = stage.image(1, 1000);
    assert_eq!(stage.manifest(TAG).await.bytes, old.manifest.bytes);
    stage.upstream.log().clear();
    stage.upstream.content().push(REPOSITORY, TAG, &image(9, 1000));
    for _ in 0..3 {
        assert_eq!(
            stage
                .manifest_head(TAG)
                .await
                .headers
                .text("docker-content-digest"),
            old.digest()
        );
        assert_eq!(stage.manifest(TAG).await.bytes, old.manifest.bytes);
    }
    assert_eq!(
        stage.upstream.log().all().len(),
        0,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn after_it_a_head_is_enough_when_nothing_changed() {
    let stage = with_ttl("0s").await;
    let image = stage.image(1, 1000);
    assert_eq!(stage.manifest(TAG).await.bytes, image.manifest.bytes);
    stage.upstream.log().clear();
    for asked in 1..=3 {
        assert_eq!(stage.manifest(TAG).await.bytes, image.manifest.bytes);
        // Docker Hub counts GETs.
        assert_eq!(
            stage.upstream.log().count(Kind::GetManifest),
            0,
            "{}",
            stage.upstream.log().story()
        );
        assert_eq!(stage.upstream.log().count(Kind::HeadManifest), asked);
    }
}

#[tokio::test]
async fn after_it_a_moved_tag_is_seen() {
    let stage = with_ttl("0s").await;
    stage.image(1, 1000);
    assert_eq!(stage.manifest(TAG).await.status, 200);
    let new = image(9, 1000);
    stage.upstream.content().push(REPOSITORY, TAG, &new);
    assert_eq!(
        stage
            .manifest_head(TAG)
            .await
            .headers
            .text("docker-content-digest"),
        new.digest()
    );
    assert_eq!(stage.manifest(TAG).await.bytes, new.manifest.bytes);
}

#[tokio::test]
async fn a_tag_that_was_deleted_is_gone() {
    let stage = with_ttl("0s").await;
    let image = stage.image(1, 1000);
    assert_eq!(stage.manifest(TAG).await.status, 200);
    stage.upstream.content().untag(REPOSITORY, TAG);
    let gone = stage.manifest(TAG).await;
    // An upstream that answers is believed: this is no outage.
    assert_eq!(
        (gone.status, gone.error_code().as_str()),
        (404, "MANIFEST_UNKNOWN"),
        "{}",
        gone.text()
    );
    assert_eq!(
        stage.manifest(image.digest()).await.status,
        200,
        "the image itself is still there"
    );
}

#[tokio::test]
async fn a_manifest_by_digest_is_never_asked_for_again() {
    let stage = with_ttl("0s").await;
    let image = stage.image(1, 1000);
    for _ in 0..3 {
        assert_eq!(stage.manifest(image.digest()).await.bytes, image.manifest.bytes);
        assert_eq!(stage.manifest_head(image.digest()).await.status, 200);
    }
    assert!(
        stage.upstream.log().all().len() <= 2,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn what_is_not_there_is_asked_for_once_for_a_while() {
    let stage = Stage::start().await;
    stage.image(1, 1000);
    for _ in 0..5 {
        let answer = stage.manifest("nothing").await;
        assert_eq!(
            (answer.status, answer.error_code().as_str()),
            (404, "MANIFEST_UNKNOWN")
        );
    }
    let asked = stage.upstream.log().all().len();
    assert!(asked <= 2, "{}", stage.upstream.log().story());
    // But only for a while: what is pushed in the meantime is found.
    let image = image(9, 1000);
    stage.upstream.content().push(REPOSITORY, "nothing", &image);
    let found = wait::until("the new tag to be found", 3 * wait::PATIENCE, async || {
        let answer = stage.manifest("nothing").await;
        (answer.status == 200).then_some(answer.bytes)
    });
    assert_eq!(found.await, image.manifest.bytes);
}

#[tokio::test]
async fn a_head_that_is_refused_is_asked_again_as_a_get() {
    let stage = with_ttl("0s").await;
    let image = stage.image(1, 1000);
    stage
        .upstream
        .script()
        .always(Kind::HeadManifest, Fault::Status(405));
    let head = stage.manifest_head(TAG).await;
    assert_eq!(
        (head.status, head.headers.text("docker-content-digest")),
        (200, image.digest())
    );
    assert_eq!(stage.manifest(TAG).await.bytes, image.manifest.bytes);
}

#[tokio::test]
async fn an_upstream_without_digest_headers_is_served_with_them() {
    let stage = with_ttl("0s").await;
    let image = stage.image(1, 1000);
    stage
        .upstream
        .script()
        .always(Kind::HeadManifest, Fault::NoDigest);
    stage.upstream.script().always(Kind::GetManifest, Fault::NoDigest);
    for answer in [stage.manifest_head(TAG).await, stage.manifest(TAG).await] {
        assert_eq!(
            (answer.status, answer.headers.text("docker-content-digest")),
            (200, image.digest())
        );
        assert_eq!(answer.headers.length(), Some(image.manifest.len()));
    }
}
