//! Ranges: on a cached blob, on a blob that is still being filled, and on one that nobody asked for yet.

use futures_util::future::join_all;
use tests::{
    client::Request,
    images::Blob,
    stage::{Stage, blob_path},
    upstream::{At, Fault, Gate, Kind},
    wait,
};

const SIZE: usize = 4 << 20;

async fn part(stage: &Stage, blob: &Blob, range: &str) -> tests::client::Complete {
    let request = Request::get(blob_path(&blob.digest)).range(range);
    let answer = stage.larder.send(request).await.expect("larder answers");
    let part = wait::within(range, wait::PATIENCE, answer.complete()).await;
    part.unwrap_or_else(|e| panic!("{range}: {e}"))
}

async fn expect_parts(stage: &Stage, blob: &Blob) {
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        ("bytes=-500000", SIZE - 500_000, SIZE),
        ("bytes=1000-99999999999", 1000, SIZE),
        ("bytes=-99999999999", 0, SIZE),
    ] {
        let answer = part(stage, blob, range).await;
        assert_eq!(answer.status, 206, "{range}");
        let label = format!("bytes {from}-{}/{SIZE}", to - 1);
        assert_eq!(answer.headers.text("content-range"), label, "{range}");
        assert_eq!(answer.headers.length(), Some((to - from) as u64), "{range}");
        assert!(answer.bytes == blob.bytes.slice(from..to), "{range}");
    }
    for range in [
        format!("bytes={SIZE}-"),
        format!("bytes={}-", SIZE + 7),
        "bytes=-0".to_owned(),
    ] {
        let answer = part(stage, blob, &range).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(
            answer.headers.text("content-range"),
            format!("bytes */{SIZE}"),
            "{range}"
        );
    }
    // What is not understood is not a range: the whole is right, and so is a refusal.
    for range in ["bytes=5-2", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6"] {
        let answer = part(stage, blob, range).await;
        let whole = answer.status == 200 && answer.bytes == blob.bytes;
        assert!(whole || answer.status == 416, "{range}: {}", answer.status);
    }
}

#[tokio::test]
async fn on_a_cached_blob() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    stage.expect_blob(&blob).await;
    expect_parts(&stage, &blob).await;
    assert_eq!(stage.upstream.log().gets_of(&blob.digest).len(), 1);
}

#[tokio::test]
async fn on_a_small_blob() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, 1000);
    for _ in 0..2 {
        let answer = part(&stage, &blob, "bytes=10-19").await;
        assert_eq!(
            (answer.status, answer.headers.text("content-range")),
            (206, "bytes 10-19/1000")
        );
        assert_eq!(answer.bytes, blob.bytes.slice(10..20));
    }
}

#[tokio::test]
async fn on_a_blob_that_nobody_has_asked_for() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    expect_parts(&stage, &blob).await;
    stage.expect_blob(&blob).await;
    assert!(
        stage.upstream.log().bytes_of(&blob.digest) <= blob.len() * 2,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn on_a_blob_in_flight() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .once(Kind::GetBlob, Fault::Hold(At::Half, gate.clone()));
    let (_, mut whole) = stage.begin(&blob, 1000).await;
    gate.reached().await;
    // What is there is served while the rest is not.
    let early = part(&stage, &blob, "bytes=200000-299999").await;
    assert_eq!(
        (early.status, early.headers.text("content-range")),
        (206, "bytes 200000-299999/4194304")
    );
    assert!(early.bytes == blob.bytes.slice(200_000..300_000));
    // What is not there comes when it comes.
    let range = format!("bytes={}-", SIZE - 1000);
    let (late, ()) = tokio::join!(part(&stage, &blob, &range), async {
        tokio::task::yield_now().await;
        gate.open();
    });
    assert_eq!(late.status, 206);
    assert!(late.bytes == blob.bytes.slice(SIZE - 1000..));
    whole.read_all().await.expect("the whole comes too");
    assert!(
        stage.upstream.log().bytes_of(&blob.digest) < blob.len() * 3 / 2,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn several_open_ended_ranges_that_are_closed_early() {
    let stage = Stage::start().await;
    let image = stage.image(1, 6 << 20);
    let pull = || {
        let address = stage.larder.address();
        tests::sequences::containerd2(address, "registry.test", "team/app", "v1", 1 << 20)
    };
    for pulled in join_all([pull(), pull(), pull()]).await {
        assert_eq!(
            pulled.as_deref(),
            Ok(image.digest()),
            "{}",
            stage.upstream.log().story()
        );
    }
    let large = &image.layers()[1];
    assert!(
        stage.upstream.log().bytes_of(&large.digest) <= large.len() * 21 / 20,
        "{}",
        stage.upstream.log().story()
    );
}
