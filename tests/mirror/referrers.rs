//! What refers to an image: by the API, by the tag schema where there is no API, and nothing where nothing is.

use tests::{
    images::{Image, Zoo, index, media},
    stage::{REPOSITORY, Stage, image},
    upstream::Settings,
};

async fn referrers(stage: &Stage, digest: &str, query: &str) -> tests::client::Complete {
    let path = format!("/v2/{REPOSITORY}/referrers/{digest}{query}");
    let answer = stage.larder.get(&path).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.headers.text("content-type"), media::OCI_INDEX);
    answer
}

async fn signed(settings: Settings) -> (Stage, Image, Image) {
    let stage = Stage::with(settings, |c| c).await;
    let image = stage.image(1, 1000);
    let signature = Zoo::signature(&image);
    stage.upstream.content().push(REPOSITORY, "signature", &signature);
    (stage, image, signature)
}

#[tokio::test]
async fn by_the_api() {
    let (stage, image, signature) = signed(Settings::default()).await;
    for _ in 0..2 {
        let list = referrers(&stage, image.digest(), "").await.json();
        assert_eq!(list["mediaType"], media::OCI_INDEX);
        assert_eq!(list["manifests"].as_array().map(Vec::len), Some(1), "{list}");
        assert_eq!(list["manifests"][0]["digest"], signature.digest());
    }
    stage.upstream.refuse().await;
    let list = referrers(&stage, image.digest(), "").await.json();
    assert_eq!(list["manifests"][0]["digest"], signature.digest(), "cached");
}

#[tokio::test]
async fn filtered_by_type() {
    let (stage, image, signature) = signed(Settings::default()).await;
    let kind = Zoo::SIGNATURE.replace('/', "%2F");
    let hit = referrers(&stage, image.digest(), &format!("?artifactType={kind}")).await;
    assert_eq!(hit.json()["manifests"][0]["digest"], signature.digest());
    assert_eq!(hit.headers.text("oci-filters-applied"), "artifactType");
    let miss = referrers(&stage, image.digest(), "?artifactType=application%2Felse").await;
    assert_eq!(miss.json()["manifests"], serde_json::json!([]));
}

#[tokio::test]
async fn by_the_tag_schema() {
    let (stage, image, signature) = signed(Settings::default().no_referrers()).await;
    let list = index(vec![signature.clone()]);
    let tag = image.digest().replace(':', "-");
    stage.upstream.content().push(REPOSITORY, &tag, &list);
    let found = referrers(&stage, image.digest(), "").await.json();
    assert_eq!(found["manifests"][0]["digest"], signature.digest(), "{found}");
}

#[tokio::test]
async fn none_is_an_empty_index() {
    for settings in [Settings::default(), Settings::default().no_referrers()] {
        let stage = Stage::with(settings, |c| c).await;
        let image = stage.image(1, 1000);
        let list = referrers(&stage, image.digest(), "").await.json();
        assert_eq!(list["manifests"], serde_json::json!([]));
        assert_eq!(list["schemaVersion"], 2);
        let unknown = tests::digest::sha256(b"nothing");
        assert_eq!(
            referrers(&stage, &unknown, "").await.json()["manifests"],
            serde_json::json!([])
        );
    }
}

#[tokio::test]
async fn an_artifact_is_pulled_like_an_image() {
    let (stage, _, signature) = signed(Settings::default()).await;
    let got = stage.manifest(signature.digest()).await;
    assert_eq!((got.status, &got.bytes), (200, &signature.manifest.bytes));
    for blob in &signature.blobs {
        stage.expect_blob(blob).await;
    }
    let other = image(7, 100);
    assert_eq!(stage.manifest(other.digest()).await.status, 404);
}
