//! `kill -9` at random points of fills: after the restart every digest is right, nothing is left over, and
//! what was on the disk is not asked for again.
//!
//! The points are drawn from a seed, and reached by events: the upstream stops at a gate in the blob, the
//! client has read so many bytes, then the process dies. `LARDER_SEED` repeats a run, `LARDER_KILLS` sets
//! how many.

use tests::{
    images::Blob,
    larder::Larder,
    stage::{Stage, TAG, blob_path},
    upstream::{At, Fault, Gate, Kind},
    wait,
};

const MIB: u64 = 1 << 20;
/// Asked again at most, of what a client had been given already.
const AGAIN: u64 = MIB;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|v| v.parse().unwrap_or_else(|e| panic!("{variable}: {e}")))
}

#[tokio::test]
async fn heavy_killed_two_hundred_times_in_the_middle_of_fills() {
    let seed = number("LARDER_SEED").unwrap_or(20_260_801);
    let kills = number("LARDER_KILLS").unwrap_or(200);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut stage = Stage::start().await;
    for n in 0..kills {
        let size = random.u64(2 * MIB..6 * MIB);
        let blob = stage.blob(1000 + n, usize::try_from(size).expect("a few MiB"));
        let place = random.u64(0..size);
        let what = format!("kill {n} of {kills} (seed {seed}), at {place} of {size}");
        let had = killed_at(&mut stage, &blob, place).await;
        stage.upstream.script().clear();
        stage.upstream.log().clear();
        stage.larder.resume().await;
        stage.expect_blob(&blob).await;
        let log = stage.upstream.log();
        let asked = log.bytes_of(&blob.digest);
        assert!(
            asked <= size - had + AGAIN,
            "{what}: {had} bytes were here:\n{}",
            log.story()
        );
        stage.published(&blob.digest).await;
    }
    settles(&stage.larder, kills).await;
    // Everything that was ever published is still right, and nobody is asked for it.
    stage.upstream.refuse().await;
    let mut random = fastrand::Rng::with_seed(seed);
    for n in 0..kills {
        let size = random.u64(2 * MIB..6 * MIB);
        let blob = Blob::new(
            "",
            tests::images::noise(1000 + n, usize::try_from(size).expect("a few MiB")),
        );
        let _ = random.u64(0..size);
        let (status, digest) = stage
            .larder
            .hash(&blob_path(&blob.digest), &blob.digest)
            .await
            .expect("a blob");
        assert_eq!((status, digest), (200, blob.digest), "blob {n} (seed {seed})");
    }
}

/// Kills larder when the upstream has sent `place` bytes; gives how many of them a client had.
async fn killed_at(stage: &mut Stage, blob: &Blob, place: u64) -> u64 {
    let gate = Gate::default();
    stage
        .upstream
        .script()
        .always(Kind::GetBlob, Fault::Hold(At::Byte(place), gate.clone()));
    let wanted = place.saturating_sub(2 * MIB);
    let had = if wanted > 0 {
        let (first, body) = stage.begin(blob, wanted).await;
        gate.reached().await;
        stage.larder.kill().await;
        drop(body);
        first.len() as u64
    } else {
        let request = tests::client::Request::get(blob_path(&blob.digest)).send(stage.larder.address());
        let request = tokio::spawn(request);
        gate.reached().await;
        stage.larder.kill().await;
        // Whatever it got, it was cut.
        let _ = request.await.expect("a request does not panic");
        0
    };
    gate.open();
    had
}

/// No fill is left, and no more blobs than were pulled.
async fn settles(larder: &Larder, blobs: u64) {
    wait::until("all fills to be gone", wait::PATIENCE, async || {
        larder.fills().is_empty().then_some(())
    })
    .await;
    let large = larder
        .files()
        .into_iter()
        .filter(|f| f.size >= 2 * MIB && is_blob(f))
        .count();
    assert!(
        large as u64 <= blobs,
        "{large} blobs on disk, {blobs} were pulled"
    );
}

fn is_blob(file: &tests::larder::Found) -> bool {
    // A blob's file is named by its digest; the index is not.
    file.path.file_name().is_some_and(|n| {
        let name = n.to_string_lossy();
        name.len() >= 40 && name.chars().filter(char::is_ascii_hexdigit).count() >= 40
    })
}

#[tokio::test]
async fn killed_at_the_very_end_of_a_fill() {
    let mut stage = Stage::start().await;
    for n in 0..10 {
        let blob = stage.blob(50 + n, 300_000);
        let gate = Gate::default();
        let place = blob.len() - n % 3;
        stage
            .upstream
            .script()
            .always(Kind::GetBlob, Fault::Hold(At::Byte(place), gate.clone()));
        let request = tests::client::Request::get(blob_path(&blob.digest)).send(stage.larder.address());
        let request =
            tokio::spawn(async move { request.await?.complete().await.map_err(std::io::Error::other) });
        gate.reached().await;
        gate.open();
        // From here it hashes, syncs, renames and writes the index: let it get a different way each time.
        for _ in 0..n * 20 {
            tokio::task::yield_now().await;
        }
        stage.larder.kill().await;
        if let Ok(answer) = request.await.expect("a request does not panic") {
            assert_eq!(
                tests::digest::sha256(&answer.bytes),
                blob.digest,
                "whole and right, or cut"
            );
        }
        stage.upstream.script().clear();
        stage.larder.resume().await;
        stage.expect_blob(&blob).await;
    }
    settles(&stage.larder, 10).await;
}

#[tokio::test]
async fn what_was_served_whole_survives_a_kill() {
    let mut stage = Stage::start().await;
    let image = stage.image(1, 500_000);
    stage.cache(&image).await;
    stage.larder.kill().await;
    stage.upstream.refuse().await;
    stage.larder.resume().await;
    assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()));
    assert_eq!(stage.manifest(TAG).await.status, 200);
}

#[tokio::test]
async fn a_torn_index_does_not_keep_it_from_starting() {
    let mut stage = Stage::start().await;
    let image = stage.image(1, 500_000);
    stage.cache(&image).await;
    stage.larder.stop().await;
    let index = stage
        .larder
        .files()
        .into_iter()
        .find(|f| f.path.extension().is_some_and(|e| e == "redb"));
    let index = stage
        .larder
        .data()
        .join(index.expect("redb's file is called so").path);
    std::fs::write(&index, b"this is no index").expect("the index can be written over");
    stage.larder.resume().await;
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "it begins anew"
    );
}
