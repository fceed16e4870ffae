//! Memory: little when idle, bounded whatever happens.

use futures_util::future::join_all;
use tests::{
    client::Request,
    images::Blob,
    stage::{Stage, blob_path},
    upstream::Settings,
    wait,
};

const MIB: u64 = 1 << 20;
/// The promise, for the binary as it is shipped. A debug build's own pages are several times as many.
const IDLE: u64 = 16 * MIB;
const LOADED: u64 = 64 * MIB;

/// Resident memory less the pages of a debug build, which are the compiler's and not the product's.
fn resident(stage: &Stage) -> u64 {
    let process = stage.larder.process();
    if is_release() {
        process.rss()
    } else {
        process.anonymous()
    }
}

fn is_release() -> bool {
    tests::larder::binary()
        .components()
        .any(|c| c.as_os_str() == "release")
}

#[tokio::test]
async fn idle_it_needs_little() {
    let stage = Stage::start().await;
    assert_eq!(stage.larder.get("/healthz").await.expect("an answer").status, 200);
    assert!(resident(&stage) <= IDLE, "{} bytes", resident(&stage));
}

#[tokio::test]
async fn heavy_sixty_four_clients_cold_and_warm() {
    let stage = Stage::with(Settings::default().wide(), |c| c).await;
    let size = usize::try_from(24 * MIB).expect("24 MiB");
    let blobs: Vec<_> = (0..4).map(|n| stage.blob(n, size)).collect();
    for round in ["cold", "warm"] {
        let pulls = (0..64).map(|n| pull(&stage, &blobs[n % blobs.len()]));
        wait::within("64 pulls", 4 * wait::PATIENCE, join_all(pulls)).await;
        let peak = if is_release() {
            stage.larder.process().peak_rss()
        } else {
            resident(&stage)
        };
        assert!(peak <= LOADED, "{round}: {peak} bytes");
    }
    for blob in &blobs {
        assert_eq!(stage.upstream.log().gets_of(&blob.digest).len(), 1);
    }
}

async fn pull(stage: &Stage, blob: &Blob) {
    let got = stage
        .larder
        .hash(&blob_path(&blob.digest), &blob.digest)
        .await
        .expect("a whole blob");
    assert_eq!((got.0, got.1.as_str()), (200, blob.digest.as_str()));
}

#[tokio::test]
async fn readers_that_stand_still_cost_nothing() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, usize::try_from(16 * MIB).expect("16 MiB"));
    stage.expect_blob(&blob).await;
    let standing = (0..64).map(|_| async {
        let request = Request::get(blob_path(&blob.digest)).receive_buffer(4096);
        let mut answer = stage.larder.send(request).await.expect("an answer");
        answer.body.take(1024).await.expect("the first KiB");
        answer
    });
    let standing = join_all(standing).await;
    assert!(resident(&stage) <= LOADED, "{} bytes", resident(&stage));
    // And they keep nobody out.
    stage.expect_blob(&blob).await;
    drop(standing);
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_use_it_up() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, 100_000);
    let silent = (0..500).map(|_| tokio::net::TcpStream::connect(stage.larder.address()));
    let silent: Vec<_> = join_all(silent)
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    assert!(silent.len() >= 400, "{} connections were taken", silent.len());
    stage.expect_blob(&blob).await;
    assert!(resident(&stage) <= LOADED, "{} bytes", resident(&stage));
}
