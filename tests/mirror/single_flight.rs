//! One fetch over the WAN, however many ask; and nobody waits for the whole.
//!
//! The upstream stands at a gate in the middle of the blob: whoever has bytes then got them from a fill that
//! is not finished, on any machine however slow.

use futures_util::future::join_all;
use tests::{
    digest,
    stage::{Stage, TAG},
    upstream::{At, Fault, Gate, Kind},
    wait,
};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 8 * MIB;
/// What may be kept back in front of the last byte that came.
const HELD_BACK: u64 = MIB;
const EARLY: u64 = SIZE / 2 - HELD_BACK;

async fn at_the_gate() -> (Stage, tests::images::Blob, Gate) {
    let stage = Stage::start().await;
    let blob = stage.blob(1, usize::try_from(SIZE).expect("8 MiB"));
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .always(Kind::GetBlob, Fault::Hold(At::Half, gate.clone()));
    (stage, blob, gate)
}

#[tokio::test]
async fn sixteen_clients_share_one_fetch_and_stream() {
    let (stage, blob, gate) = at_the_gate().await;
    let begun = join_all((0..16).map(|_| stage.begin(&blob, EARLY))).await;
    gate.open();
    let whole = join_all(begun.into_iter().map(async |(first, mut body)| {
        let rest = body.read_all().await.expect("the rest");
        [first, rest].concat()
    }));
    for bytes in whole.await {
        assert_eq!(digest::sha256(&bytes), blob.digest);
    }
    let log = stage.upstream.log();
    assert_eq!(log.gets_of(&blob.digest).len(), 1, "{}", log.story());
    assert_eq!(log.bytes_of(&blob.digest), SIZE);
}

#[tokio::test]
async fn a_late_client_starts_at_byte_zero_at_once() {
    let (stage, blob, gate) = at_the_gate().await;
    let (first, mut early) = stage.begin(&blob, EARLY).await;
    gate.reached().await;
    let (late_first, mut late) = stage.begin(&blob, EARLY).await;
    assert!(late_first == first, "both have the same first part");
    gate.open();
    let (early, late) = (
        early.read_all().await.expect("the rest"),
        late.read_all().await.expect("the rest"),
    );
    assert!(early == late && digest::sha256(&[first, early].concat()) == blob.digest);
    assert_eq!(stage.upstream.log().gets_of(&blob.digest).len(), 1);
}

#[tokio::test]
async fn a_slow_reader_slows_nobody() {
    let (stage, blob, gate) = at_the_gate().await;
    gate.open();
    let slow = tests::client::Request::get(tests::stage::blob_path(&blob.digest)).receive_buffer(4096);
    let mut slow = stage.larder.send(slow).await.expect("larder answers");
    slow.body.take(1024).await.expect("the first KiB");
    for _ in 0..3 {
        stage.expect_blob(&blob).await;
    }
    // It gets on, at its own pace, from where it was.
    let next = slow.body.take(1024).await.expect("the second KiB");
    assert!(next == blob.bytes.slice(1024..2048));
    assert_eq!(stage.upstream.log().gets_of(&blob.digest).len(), 1);
    drop(slow);
    stage.expect_blob(&blob).await;
}

#[tokio::test]
async fn sixteen_clients_share_one_manifest() {
    let stage = Stage::start().await;
    let image = stage.image(1, 1000);
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .always(Kind::GetManifest, Fault::Hold(At::Byte(0), gate.clone()));
    let asked = join_all((0..16).map(|_| stage.manifest(TAG)));
    let (answers, ()) = tokio::join!(asked, async {
        gate.reached().await;
        gate.open();
    });
    for answer in answers {
        assert_eq!((answer.status, &answer.bytes), (200, &image.manifest.bytes));
    }
    assert_eq!(
        stage.upstream.log().count(Kind::GetManifest),
        1,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn many_blobs_at_once_are_one_fetch_each() {
    let stage = Stage::start().await;
    let blobs: Vec<_> = (0..20).map(|n| stage.blob(100 + n, 200_000)).collect();
    let pulls = (0..4).flat_map(|_| &blobs).map(|blob| stage.expect_blob(blob));
    wait::within("80 pulls", 2 * wait::PATIENCE, join_all(pulls)).await;
    for blob in &blobs {
        assert_eq!(stage.upstream.log().gets_of(&blob.digest).len(), 1);
    }
}

#[tokio::test]
async fn a_second_pull_asks_for_no_blob_and_no_manifest() {
    let stage = Stage::start().await;
    let image = stage.image(1, 500_000);
    stage.cache(&image).await;
    stage.upstream.log().clear();
    assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()));
    assert_eq!(
        stage.upstream.log().all().len(),
        0,
        "{}",
        stage.upstream.log().story()
    );
}
