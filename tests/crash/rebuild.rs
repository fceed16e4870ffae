//! An index that was lost: what lies on the disk is listed again, by the worker, while the box serves.

use std::{fs, time::Duration};

use rustix::process::{Signal, kill_process};
use tests::{
    images::Blob,
    larder::{Larder, worker_of},
    stage::{Stage, quick},
    upstream::{Kind, Settings},
    wait,
};

const MIB: usize = 1 << 20;

/// What was in an index that is gone: blobs as files.
fn plant(stage: &Stage, count: u64, size: usize) -> Vec<Blob> {
    let folder = stage.larder.data().join("blobs");
    let blobs: Vec<Blob> = (0..count).map(|n| stage.blob(7000 + n, size)).collect();
    for blob in &blobs {
        fs::write(folder.join(blob.digest.replace(':', "-")), &blob.bytes).expect("written");
    }
    for index in stage.larder.files() {
        if index.path.to_string_lossy().starts_with("index.redb") {
            fs::remove_file(stage.larder.data().join(index.path)).expect("removed");
        }
    }
    blobs
}

async fn done(larder: &Larder) {
    let limit = 6 * wait::PATIENCE;
    wait::until("the list to be made anew", limit, async || {
        let metrics = larder.metrics().await;
        let done = metrics.sum_with("larder_inspections_total", "what=\"recovery\",ending=\"done\"");
        (done > 0.0).then_some(())
    })
    .await;
}

async fn found(larder: &Larder, what: &str) -> u64 {
    let metrics = larder.metrics().await;
    let label = format!("what=\"recovery\",finding=\"{what}\"");
    metrics.sum_with("larder_inspection_findings_total", &label) as u64
}

/// Bytes that a process has read, from whatever.
fn read_by(process: i32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{process}/io")).expect("read");
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.and_then(|count| count.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_lost_index_is_made_anew_by_the_worker_and_no_blob_is_fetched_again() {
    let mut stage = Stage::start().await;
    stage.larder.stop().await;
    let blobs = plant(&stage, 12, 2 * MIB);
    let wrong = stage.blob(8000, 2 * MIB);
    let path = stage
        .larder
        .data()
        .join("blobs")
        .join(wrong.digest.replace(':', "-"));
    fs::write(&path, &blobs[0].bytes).expect("written");
    stage.larder.resume().await;
    done(&stage.larder).await;
    let daemon = stage.larder.process().id();
    let worker = worker_of(daemon).expect("it stays for a while");
    let (all, by_worker) = (12 * 2 * MIB as u64, read_by(worker.as_raw_nonzero().get()));
    let by_daemon = read_by(daemon.cast_signed());
    println!("of {all} bytes the worker has read {by_worker} and the mirror {by_daemon}");
    assert!(by_worker >= all);
    assert!(by_daemon < all / 10, "{by_daemon}");
    assert_eq!(found(&stage.larder, "hidden").await, 12);
    assert_eq!(found(&stage.larder, "mismatch").await, 1);
    assert!(!path.exists());

    stage.upstream.log().clear();
    for blob in &blobs {
        stage.expect_blob(blob).await;
    }
    let log = stage.upstream.log();
    assert_eq!(log.count(Kind::GetBlob), 0, "{}", log.story());
    stage.expect_blob(&wrong).await;
    assert_eq!(log.gets_of(&wrong.digest).len(), 1, "{}", log.story());
}

#[tokio::test]
async fn heavy_a_worker_that_is_stopped_and_killed_makes_it_anew_while_pulls_go_on() {
    let upstream = Settings::default().start().await;
    let config = quick(&[upstream.url()]).set("janitor.step_deadline", "\"1s\"");
    let larder = Larder::start(config).await;
    let mut stage = Stage { upstream, larder };
    stage.larder.stop().await;
    let blobs = plant(&stage, 60, 4 * MIB);
    let new: Vec<Blob> = (0..10).map(|n| stage.blob(9000 + n, MIB)).collect();
    stage.larder.resume().await;
    let daemon = stage.larder.process().id();
    let harass = async {
        let mut last = None;
        for signal in [Signal::STOP, Signal::KILL] {
            let another = async || worker_of(daemon).filter(|worker| Some(*worker) != last);
            let worker = wait::until("a worker", 3 * wait::PATIENCE, another).await;
            kill_process(worker, signal).expect("it is there");
            last = Some(worker);
        }
    };
    let pull = async {
        let mut rng = fastrand::Rng::with_seed(4);
        for round in 0.. {
            // What is here and not listed, what is listed by now, what is not here.
            stage.expect_blob(&blobs[rng.usize(..blobs.len())]).await;
            stage.expect_blob(&new[round % new.len()]).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    };
    let all = async {
        harass.await;
        done(&stage.larder).await;
    };
    tokio::select! {
        () = all => {}
        () = pull => {}
    }
    let metrics = stage.larder.metrics().await;
    let lost = metrics.sum("larder_janitor_kills_total") + metrics.sum("larder_janitor_deaths_total");
    assert!(lost >= 1.0, "the one that was stopped was killed");
    // All of it is listed: by the recovery, or by whoever has asked for it.
    stage.upstream.log().clear();
    for blob in &blobs {
        stage.published(&blob.digest).await;
    }
    let log = stage.upstream.log();
    assert_eq!(log.count(Kind::GetBlob), 0, "{}", log.story());
}
