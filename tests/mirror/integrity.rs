//! No client ever completes a blob whose digest is wrong, and the next pull is right.

use futures_util::future::join_all;
use tests::{
    client::Request,
    digest,
    stage::{Stage, TAG, blob_path},
    upstream::{At, Fault, Kind},
    wait,
};

const SIZE: usize = 3 << 20;

/// GETs the blob and says whether a client would take it for complete; panics if it is complete and wrong.
async fn completes(stage: &Stage, blob: &tests::images::Blob) -> bool {
    let Ok(answer) = stage.larder.send(Request::get(blob_path(&blob.digest))).await else {
        return false;
    };
    let status = answer.status;
    let Ok(whole) = answer.complete().await else {
        return false;
    };
    let full = status == 200 && whole.bytes.len() as u64 >= blob.len();
    assert!(
        !full || digest::sha256(&whole.bytes) == blob.digest,
        "a full-length 200 with a wrong digest"
    );
    status == 200
}

#[tokio::test]
async fn a_flipped_byte_reaches_nobody() {
    for at in [At::Byte(0), At::Half, At::Last] {
        let stage = Stage::start().await;
        let blob = stage.blob(1, SIZE);
        let flip = stage.upstream.script().always(Kind::GetBlob, Fault::FlipByte(at));
        let completed = join_all((0..4).map(|_| completes(&stage, &blob))).await;
        assert!(
            !completed.contains(&true),
            "{at:?}: nobody may complete what is nowhere right"
        );
        assert!(
            (1..=8).contains(&flip.played()),
            "{at:?}: asked {} times",
            flip.played()
        );
        assert!(
            stage.larder.files_of(&blob.digest).is_empty(),
            "{at:?}: {:?}",
            stage.larder.files()
        );
        stage.upstream.script().clear();
        right_at_last(&stage, &blob).await;
    }
}

#[tokio::test]
async fn a_byte_flipped_once_costs_one_more_fetch_at_most() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::FlipByte(At::Half));
    completes(&stage, &blob).await;
    right_at_last(&stage, &blob).await;
    assert_eq!(
        stage.upstream.log().gets_of(&blob.digest).len(),
        2,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn the_right_bytes_at_a_second_endpoint_are_found() {
    let liar = tests::upstream::Upstream::start().await;
    let honest = tests::upstream::Settings::default()
        .content(liar.content())
        .start()
        .await;
    let urls = [liar.url(), honest.url()];
    let larder = tests::larder::Larder::start(tests::stage::quick(&urls)).await;
    let stage = Stage {
        upstream: liar,
        larder,
    };
    let blob = stage.blob(1, SIZE);
    stage
        .upstream
        .script()
        .always(Kind::GetBlob, Fault::FlipByte(At::Half));
    right_at_last(&stage, &blob).await;
    assert_eq!(honest.log().gets_of(&blob.digest).len(), 1);
}

#[tokio::test]
async fn a_manifest_that_is_not_its_digest_is_not_served() {
    let stage = Stage::start().await;
    let image = stage.image(1, 1000);
    stage
        .upstream
        .script()
        .always(Kind::GetManifest, Fault::FlipByte(At::Byte(3)));
    let by_digest = stage.manifest(image.digest()).await;
    assert_ne!(by_digest.status, 200, "{}", by_digest.text());
    let by_tag = stage.manifest(TAG).await;
    assert!(
        by_tag.status != 200 || by_tag.bytes == image.manifest.bytes,
        "{}",
        by_tag.text()
    );
    stage.upstream.script().clear();
    stage.pull_at_last(image.digest()).await;
}

#[tokio::test]
async fn a_wrong_digest_header_is_not_handed_on() {
    let stage = Stage::start().await;
    let image = stage.image(1, 1000);
    stage
        .upstream
        .script()
        .always(Kind::HeadManifest, Fault::WrongDigest);
    stage
        .upstream
        .script()
        .always(Kind::GetManifest, Fault::WrongDigest);
    for reference in [TAG, image.digest()] {
        let answer = stage.manifest(reference).await;
        let declared = answer.headers.text("docker-content-digest");
        assert!(
            answer.status != 200 || declared == digest::sha256(&answer.bytes),
            "{declared}"
        );
    }
    stage.upstream.script().clear();
    stage.pull_at_last(image.digest()).await;
}

async fn right_at_last(stage: &Stage, blob: &tests::images::Blob) {
    let right = wait::until("a right pull", 2 * wait::PATIENCE, async || {
        completes(stage, blob).await.then_some(())
    });
    right.await;
    stage.expect_blob(blob).await;
}
