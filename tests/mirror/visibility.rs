//! What one repository was shown to have is not handed to those who ask in another's name.

use tests::{
    larder::Entry,
    stage::{REPOSITORY, Stage},
    upstream::{Settings, Upstream},
};

#[tokio::test]
async fn a_cached_blob_of_another_repository_is_not_here() {
    let stage = Stage::start().await;
    let (large, small) = (stage.blob(1, 200_000), stage.blob(2, 100));
    let image = stage.image(5, 1000);
    for blob in [&large, &small] {
        stage.expect_blob(blob).await;
        let elsewhere = format!("/v2/team/other/blobs/{}", blob.digest);
        let answer = stage.larder.get(&elsewhere).await.expect("an answer");
        assert_eq!(answer.status, 404, "{}", answer.text());
        assert_eq!(
            stage.larder.head(&elsewhere).await.expect("an answer").status,
            404
        );
    }
    assert_eq!(stage.manifest(image.digest()).await.status, 200);
    let elsewhere = format!("/v2/team/other/manifests/{}", image.digest());
    assert_eq!(stage.larder.get(&elsewhere).await.expect("an answer").status, 404);
}

#[tokio::test]
async fn one_that_is_shown_to_have_it_is_served_without_fetching_it_again() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, 3 << 20);
    stage.expect_blob(&blob).await;
    stage.upstream.content().push_blob("team/other", &blob);
    let path = format!("/v2/team/other/blobs/{}", blob.digest);
    let (status, digest) = stage.larder.hash(&path, &blob.digest).await.expect("the blob");
    assert_eq!((status, digest), (200, blob.digest.clone()));
    let bytes = stage.upstream.log().bytes_of(&blob.digest);
    assert!(bytes < blob.len() * 3 / 2, "{}", stage.upstream.log().story());
}

#[tokio::test]
async fn another_upstream_is_another_world() {
    let other = Settings::default().start().await;
    let url = other.url();
    let stage = Stage::with(Settings::default(), |c| {
        c.upstream(Entry::new("other.test", &[url]))
    })
    .await;
    let blob = stage.blob(1, 200_000);
    stage.expect_blob(&blob).await;
    let path = format!("/v2/other.test/{REPOSITORY}/blobs/{}", blob.digest);
    assert_eq!(stage.larder.get(&path).await.expect("an answer").status, 404);
    other.content().push_blob(REPOSITORY, &blob);
    asks_at_most_once_more(&stage, &other, &path, &blob.digest).await;
}

/// The 404 may be remembered for a moment; the blob itself is here already.
async fn asks_at_most_once_more(stage: &Stage, other: &Upstream, path: &str, digest: &str) {
    let found = tests::wait::until("the blob to be found", 3 * tests::wait::PATIENCE, async || {
        let (status, found) = stage.larder.hash(path, digest).await.ok()?;
        (status == 200).then_some(found)
    });
    assert_eq!(found.await, digest);
    assert!(other.log().gets_of(digest).len() <= 2, "{}", other.log().story());
}
