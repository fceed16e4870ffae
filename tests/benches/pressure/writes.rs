//! Bytes that go to the disk for each byte that is cached.
//!
//! A day of a site in a minute: blobs of the sizes that registries hold (of 100: 65 of 100 B to 1 MB, 15 of 1 to
//! 10 MB, 15 of 10 to 100 MB, 5 of 100 MB to 1 GB, here at most 64 MB), each asked for once or, the popular ones,
//! again and again, and manifests by tag in between. Read from `/proc/PID/io` of the daemon: what it made the disk
//! write. The data lies in the temporary folder, which must not be tmpfs, where nothing is written.

use std::fs;

use tests::{
    images::{Blob, Compression, ImageBuilder, Layer, noise},
    larder::Larder,
    measure::Check,
    sequences,
    stage::quick,
    upstream::Settings,
    wait,
};

use super::{Found, REPOSITORY, UPSTREAM, number};

/// So many images of small layers are pulled beside the blobs.
const IMAGES: u64 = 40;

fn size(rng: &mut fastrand::Rng) -> usize {
    let (least, most): (f64, f64) = match rng.u32(0..100) {
        0..65 => (100.0, 1e6),
        65..80 => (1e6, 1e7),
        _ => (1e7, 64e6),
    };
    (least.ln() + rng.f64() * (most / least).ln()).exp() as usize
}

fn written(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/io")).expect("readable");
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|figure| figure.parse().ok()).expect("a figure")
}

pub(super) async fn measure() -> Found {
    let upstream = Settings::default().start().await;
    let larder = Larder::start(quick(&[upstream.url()])).await;
    let process = larder.process().id();
    let before = written(process);
    let most = number("LARDER_BENCH_BIG", 2048) << 20;
    let mut rng = fastrand::Rng::with_seed(1);
    let (mut cached, mut blobs) = (0, 0u64);
    let mut popular: Vec<String> = Vec::new();
    while cached < most {
        let blob = Blob::new("application/octet-stream", noise(100 + blobs, size(&mut rng)));
        upstream.content().push_blob(REPOSITORY, &blob);
        let path = format!("/v2/{REPOSITORY}/blobs/{}", blob.digest);
        let answer = larder.get(&path).await.expect("a blob");
        assert_eq!(answer.status, 200);
        cached += blob.len();
        blobs += 1;
        if popular.len() < 50 {
            popular.push(path);
        }
        for _ in 0..3 {
            let path = &popular[rng.usize(..popular.len())];
            larder.get(path).await.expect("a blob");
        }
        if blobs.is_multiple_of(5) {
            let number = blobs / 5 % IMAGES;
            let image = ImageBuilder::new("amd64")
                .layer(Layer::noise(9000 + number, 200_000, Compression::None))
                .build();
            let tag = format!("v{number}");
            upstream.content().push(REPOSITORY, &tag, &image);
            let pulled = sequences::containerd(larder.address(), UPSTREAM, REPOSITORY, &tag).await;
            pulled.expect("pulled");
        }
    }
    let settled = async || larder.fills().is_empty().then_some(());
    wait::until("fills to be finished", 10 * wait::PATIENCE, settled).await;
    let held = larder.metrics().await.sum("larder_cache_bytes");
    // What the kernel still holds back is not counted before it is written.
    rustix::fs::sync();
    let written = (written(process) - before) as f64;
    let commits = larder.metrics().await.sum("larder_cache_commits_total");
    let ratio = written / held;
    Found {
        text: format!(
            "## Bytes written\n\n{blobs} blobs, {:.0} MiB cached, {:.0} MiB written, {commits} transactions\n",
            held / f64::from(1 << 20),
            written / f64::from(1 << 20)
        ),
        checks: vec![Check::at_most("bytes written ÷ bytes cached", ratio, 1.05)],
    }
}
