//! A warm blob, while the disk is collected beside it and the collector's worker is stopped at random.
//!
//! Two boxes in one run, asked in turns: one on a small disk that is pulled over and over, one on a large disk that
//! gets the same pulls and has nothing to collect.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::process::{Signal, kill_process};
use tests::{
    client::Request,
    disk::Disk,
    images::{Blob, Compression, ImageBuilder, Layer, noise},
    larder::{Larder, worker_of},
    measure::{Check, median},
    sequences,
    stage::quick,
    upstream::{Settings, Upstream},
};

use super::{Found, REPOSITORY, UPSTREAM, number};

const MIB: u64 = 1 << 20;
/// Cold images that are pulled over and over: three times what the small disk holds.
const IMAGES: u64 = 150;
/// The warm blob's size.
const WARM: usize = 64 << 10;
/// Between two signals to the worker, at most.
const HARASS: u64 = 20_000;

struct Box7 {
    larder: Larder,
    _disk: Disk,
}

async fn set_up(upstream: &Upstream, warm: &Blob, disk: Disk) -> Box7 {
    let config = quick(&[upstream.url()])
        .set("cache.inline_below", "\"1KiB\"")
        .set("janitor.grace", "\"1s\"");
    let larder = Larder::start_on(config, disk.path()).await;
    for _ in 0..2 {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", warm.digest);
        let answer = larder.get(&path).await.expect("the warm blob");
        assert_eq!(answer.status, 200);
    }
    Box7 { larder, _disk: disk }
}

pub(super) async fn measure() -> Found {
    let upstream = Settings::default().start().await;
    let warm = Blob::new("application/octet-stream", noise(1, WARM));
    upstream.content().push_blob(REPOSITORY, &warm);
    for number in 0..IMAGES {
        let image = ImageBuilder::new("amd64")
            .layer(Layer::noise(1000 + number, 500_000, Compression::None))
            .layer(Layer::noise(5000 + number, 700_000, Compression::None))
            .build();
        upstream.content().push(REPOSITORY, &format!("v{number}"), &image);
    }
    let small = set_up(&upstream, &warm, Disk::tmpfs(64 * MIB, 20_000)).await;
    let large = set_up(&upstream, &warm, Disk::tmpfs(2048 * MIB, 20_000)).await;
    let stop = Arc::<AtomicBool>::default();
    let pulls = Arc::<AtomicU64>::default();
    let churn: Vec<_> = [&small, &large]
        .map(|one| one.larder.address())
        .into_iter()
        .map(|address| {
            let (stop, pulls) = (stop.clone(), pulls.clone());
            tokio::spawn(async move {
                for round in 0.. {
                    if stop.load(Relaxed) {
                        return;
                    }
                    let tag = format!("v{}", round % IMAGES);
                    let pulled = sequences::containerd(address, UPSTREAM, REPOSITORY, &tag).await;
                    pulled.unwrap_or_else(|error| panic!("{tag}: {error}"));
                    pulls.fetch_add(1, Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    let signals = Arc::<AtomicU64>::default();
    let harassing = harass(small.larder.process().id(), signals.clone());

    let began = Instant::now();
    let length = Duration::from_secs(number("LARDER_BENCH_SECONDS", 60));
    let mut times: [Vec<f64>; 2] = Default::default();
    while began.elapsed() < length {
        for (one, times) in [&small, &large].into_iter().zip(&mut times) {
            let asked = Instant::now();
            let path = format!("/v2/{REPOSITORY}/blobs/{}", warm.digest);
            let answer = Request::get(path)
                .send(one.larder.address())
                .await
                .expect("a head");
            // The first byte of the answer is here.
            times.push(asked.elapsed().as_secs_f64() * 1e6);
            assert_eq!(answer.status, 200, "the warm blob is asked for all the time");
            answer.complete().await.expect("whole");
        }
    }
    harassing.abort();
    stop.store(true, Relaxed);
    for task in churn {
        task.await.expect("no pull failed");
    }
    let answer = small.larder.get("/api/v1/collections").await.expect("an answer");
    let told: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
    let collections = told["collections"].as_array().map_or(0, Vec::len);
    let [collected, quiet] = times.map(figures);
    let ratio = collected.1 / quiet.1;
    Found {
        text: format!(
            "## Warm, while it is collected\n\n{} pulls of cold images beside it, {collections} collections (at most 100 are told), {} signals to the worker\n\n\
             | time to first byte, µs | median | p99 | requests |\n|---|---|---|---|\n\
             | collecting, its worker stopped at random | {:.0} | {:.0} | {} |\n| nothing to collect | {:.0} | {:.0} | {} |\n",
            pulls.load(Relaxed),
            signals.load(Relaxed),
            collected.0,
            collected.1,
            collected.2,
            quiet.0,
            quiet.1,
            quiet.2,
        ),
        checks: vec![
            Check::at_most("p99 of warm GETs, collecting ÷ not", ratio, 1.2),
            Check::at_least("collections", collections as f64, 1.0),
        ],
    }
}

/// Median, 99th percentile, count.
fn figures(mut times: Vec<f64>) -> (f64, f64, usize) {
    times.sort_by(f64::total_cmp);
    let p99 = times[times.len() * 99 / 100];
    (median(times.iter().copied()).unwrap_or(0.0), p99, times.len())
}

/// Stops the worker again and again. The first time soon, so that a short run has one.
fn harass(daemon: u32, count: Arc<AtomicU64>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut rng = fastrand::Rng::with_seed(1);
        loop {
            tokio::time::sleep(Duration::from_millis(rng.u64(1000..HARASS))).await;
            let worker = loop {
                match worker_of(daemon) {
                    Some(worker) => break worker,
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            };
            count.fetch_add(u64::from(kill_process(worker, Signal::STOP).is_ok()), Relaxed);
        }
    })
}
