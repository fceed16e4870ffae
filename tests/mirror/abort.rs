//! Clients that leave, at the first, a middle and the last chunk: the fill goes on, nothing leaks.

use tests::{
    stage::{Stage, blob_path},
    upstream::{At, Fault, Gate, Kind, Outcome},
    wait,
};

const SIZE: usize = 6 << 20;

async fn fill_is_whole(stage: &Stage, digest: &str) {
    let whole = |log: &tests::upstream::Log| {
        log.gets_of(digest)
            .iter()
            .any(|r| r.outcome() == Outcome::Whole)
            .then_some(())
    };
    stage
        .upstream
        .log()
        .wait_for("whole fetch", wait::PATIENCE, whole)
        .await;
}

#[tokio::test]
async fn a_fill_outlives_its_only_client() {
    for offset in [1, SIZE as u64 / 2 - (1 << 20)] {
        let stage = Stage::start().await;
        let blob = stage.blob(1, SIZE);
        let gate = Gate::default();
        stage
            .upstream
            .script()
            .always(Kind::GetBlob, Fault::Hold(At::Half, gate.clone()));
        let (_, body) = stage.begin(&blob, offset).await;
        body.abort();
        gate.open();
        fill_is_whole(&stage, &blob.digest).await;
        stage.expect_blob(&blob).await;
        assert_eq!(
            stage.upstream.log().gets_of(&blob.digest).len(),
            1,
            "left after {offset}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_does_no_harm() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .always(Kind::GetBlob, Fault::Hold(At::Byte(0), gate.clone()));
    let mut leaver = tokio::net::TcpStream::connect(stage.larder.address())
        .await
        .expect("larder listens");
    let request = format!("GET {} HTTP/1.1\r\nHost: larder\r\n\r\n", blob_path(&blob.digest));
    tokio::io::AsyncWriteExt::write_all(&mut leaver, request.as_bytes())
        .await
        .expect("larder reads");
    gate.reached().await;
    leaver.set_zero_linger().expect("a socket can be told to reset");
    drop(leaver);
    gate.open();
    stage.expect_blob(&blob).await;
    assert_eq!(stage.upstream.log().gets_of(&blob.digest).len(), 1);
}

#[tokio::test]
async fn no_buffer_is_lost_when_clients_leave_anywhere() {
    let stage = Stage::start().await;
    let blob = stage.blob(1, SIZE);
    for warm in [false, true] {
        for n in 0..24 {
            let offset = 1 + n * (SIZE as u64 - 2) / 24;
            let (_, body) = stage.begin(&blob, offset).await;
            if n % 2 == 0 { body.abort() } else { drop(body) }
        }
        stage.expect_blob(&blob).await;
        let idle = wait::until("the buffer pool to be at zero", wait::PATIENCE, async || {
            let metrics = stage.larder.metrics().await;
            assert!(metrics.has("larder_buffer_in_use_bytes"), "the pool has a metric");
            (metrics.sum("larder_buffer_in_use_bytes") == 0.0).then_some(())
        });
        idle.await;
        assert_eq!(
            stage.upstream.log().gets_of(&blob.digest).len(),
            1,
            "warm: {warm}"
        );
    }
}
