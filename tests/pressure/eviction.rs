//! Ten times as much is pulled as the disk holds: every pull succeeds, the disk is never filled beyond the mark,
//! and in the end what is counted is what is there. Also with a collector whose hands are stopped.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::process::{Signal, kill_process};
use tests::{
    disk::Disk,
    full,
    images::{Compression, Image, ImageBuilder, Layer},
    larder::{self, Config, Larder},
    sequences,
    stage::{REPOSITORY, Stage, UPSTREAM, quick},
    upstream::Settings,
    wait,
};

const MIB: u64 = 1 << 20;
/// Images at the upstream.
const IMAGES: u64 = 60;
/// Above this part nothing is stored; the index may take a little more.
const STOP: f64 = 0.98;

/// A site: images that share bases, and one disk.
struct Site {
    stage: Stage,
    disk: Disk,
    images: Vec<Image>,
    /// The fullest that the disk was seen, in millionths: of bytes and of inodes.
    fullest: Arc<[AtomicU64; 2]>,
    watching: Arc<AtomicBool>,
}

fn image(number: u64) -> Image {
    let base = Layer::noise(10_000 + number / 10, 400_000, Compression::None);
    let size = 100_000 + usize::try_from(number * 7919 % 500_000).expect("small");
    ImageBuilder::new("amd64")
        .layer(base)
        .layer(Layer::noise(20_000 + number, 2_000, Compression::Gzip))
        .layer(Layer::noise(30_000 + number, size, Compression::None))
        .build()
}

impl Site {
    async fn on(disk: Disk, configure: impl FnOnce(Config) -> Config) -> Self {
        let upstream = Settings::default().start().await;
        let images: Vec<Image> = (0..IMAGES).map(image).collect();
        for (number, image) in images.iter().enumerate() {
            upstream.content().push(REPOSITORY, &format!("v{number}"), image);
        }
        // Everything is a file, so that inodes are what is short.
        let config = quick(&[upstream.url()])
            .set("cache.inline_below", "\"1KiB\"")
            // Hours of pulls in seconds.
            .set("janitor.grace", "\"0s\"");
        let larder = Larder::start_on(configure(config), disk.path()).await;
        let site = Self {
            stage: Stage { upstream, larder },
            disk,
            images,
            fullest: Arc::default(),
            watching: Arc::new(AtomicBool::new(true)),
        };
        site.watch();
        site
    }

    /// Looks at the disk all the time, on a thread of its own.
    fn watch(&self) {
        let (path, fullest, watching) = (
            self.disk.path().to_owned(),
            self.fullest.clone(),
            self.watching.clone(),
        );
        std::thread::spawn(move || {
            while watching.load(Relaxed) {
                let Ok(stat) = rustix::fs::statvfs(&path) else {
                    return;
                };
                let part = |all: u64, free: u64| (all - free) * 1_000_000 / all.max(1);
                fullest[0].fetch_max(part(stat.f_blocks, stat.f_bavail), Relaxed);
                fullest[1].fetch_max(part(stat.f_files, stat.f_favail), Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }

    /// Pulls by a Zipf distribution until so many bytes have gone to clients.
    async fn pull(&self, bytes: u64, seed: u64) -> u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let weights: Vec<f64> = (1..=IMAGES).map(|rank| 1.0 / rank as f64).collect();
        let sum: f64 = weights.iter().sum();
        let (mut pulled, mut pulls) = (0, 0);
        while pulled < bytes {
            let mut at = rng.f64() * sum;
            let number = weights
                .iter()
                .position(|weight| {
                    at -= weight;
                    at <= 0.0
                })
                .unwrap_or(0);
            let image = &self.images[number];
            let address = self.stage.larder.address();
            let tag = format!("v{number}");
            let digest = sequences::containerd(address, UPSTREAM, REPOSITORY, &tag).await;
            assert_eq!(
                digest.as_deref(),
                Ok(image.digest()),
                "pull {pulls} of {tag}\n{}",
                self.stage.upstream.log().story()
            );
            pulled += image.all_blobs().iter().map(|blob| blob.len()).sum::<u64>();
            pulls += 1;
        }
        pulls
    }

    /// What is counted against what is there.
    async fn accounted(&self) {
        self.stage.settled().await;
        let same = async || {
            let metrics = self.stage.larder.metrics().await;
            let counted = (
                metrics.sum("larder_cache_files") as u64,
                (metrics.sum("larder_cache_bytes") - metrics.sum("larder_cache_inline_bytes")) as u64,
            );
            let files: Vec<u64> = fs::read_dir(self.stage.larder.data().join("blobs"))
                .expect("listed")
                .filter_map(|file| Some(file.ok()?.metadata().ok()?.len()))
                .collect();
            (counted == (files.len() as u64, files.iter().sum())).then_some(())
        };
        wait::until("what is counted to be what is there", wait::PATIENCE, same).await;
    }

    fn never_above_stop(&self) {
        self.watching.store(false, Relaxed);
        let [bytes, inodes] = [0, 1].map(|at| self.fullest[at].load(Relaxed) as f64 / 1e6);
        println!("fullest: bytes {bytes:.4}, inodes {inodes:.4}");
        assert!(bytes <= STOP && inodes <= STOP, "bytes {bytes}, inodes {inodes}");
    }

    async fn collections(&self) -> Vec<serde_json::Value> {
        let answer = self
            .stage
            .larder
            .get("/api/v1/collections")
            .await
            .expect("an answer");
        let told: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
        told["collections"].as_array().expect("a list").clone()
    }
}

/// Every image that is listed can be pulled with the upstream gone.
async fn what_is_listed_is_whole(site: &Site) {
    // Nothing more has to go once this has ended.
    collect(site).await.expect("there is room");
    let answer = site.stage.larder.get("/api/v1/images").await.expect("an answer");
    let told: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
    let images = told["images"].as_array().expect("a list");
    // Of an image that came while there was no room, a part passed through.
    let whole = images.iter().filter(|image| image["complete"] == true);
    println!("{} of {} images are whole", whole.clone().count(), images.len());
    assert!(whole.clone().count() * 2 > images.len(), "{images:?}");
    site.stage.upstream.refuse().await;
    for image in whole {
        let reference = image["reference"].as_str().expect("text");
        let tag = reference.rsplit_once(':').expect("a tag").1;
        let address = site.stage.larder.address();
        let pulled = sequences::containerd(address, UPSTREAM, REPOSITORY, tag).await;
        pulled.unwrap_or_else(|error| panic!("{reference}: {error}"));
    }
}

async fn ten_times_its_size(disk: Disk, size: u64) {
    let site = Site::on(disk, |config| config).await;
    let factor = if full() { 40 } else { 10 };
    let pulls = site.pull(size * factor, 7).await;
    site.accounted().await;
    let collections = site.collections().await;
    println!(
        "{pulls} pulls, {} collections: {collections:?}",
        collections.len()
    );
    assert!(!collections.is_empty(), "it had to make room");
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}

/// `larder collect`: what it said.
async fn collect(site: &Site) -> Result<String, String> {
    let url = site.stage.larder.url();
    let ran = tokio::task::spawn_blocking(move || {
        std::process::Command::new(larder::binary())
            .args(["--server", &url, "collect"])
            .output()
    });
    let output = ran.await.expect("no panic").expect("larder runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// Does something to the worker again and again, at random, until it is dropped. Counts how often.
fn harass(
    site: &Site,
    signals: &'static [Signal],
    seed: u64,
) -> (tokio::task::JoinHandle<()>, Arc<AtomicU64>) {
    let count = Arc::<AtomicU64>::default();
    let (counted, daemon) = (count.clone(), site.stage.larder.process().id());
    let mut rng = fastrand::Rng::with_seed(seed);
    let task = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(rng.u64(5..60))).await;
            if let Some(worker) = larder::worker_of(daemon) {
                let signal = signals[rng.usize(..signals.len())];
                // It can have ended by now.
                counted.fetch_add(u64::from(kill_process(worker, signal).is_ok()), Relaxed);
            }
        }
    });
    (task, count)
}

#[tokio::test]
async fn heavy_a_worker_that_is_stopped_and_killed_at_random_fails_no_pull() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let site = Site::on(disk, |config| config.set("janitor.step_deadline", "\"1s\"")).await;
    let (harassing, count) = harass(&site, &[Signal::STOP, Signal::KILL], 3);
    let pulls = site.pull(12 * MIB * if full() { 40 } else { 10 }, 11).await;
    harassing.abort();
    // Left alone, it gets done what was left, whatever it had come to.
    let told = wait::until("a collection that ends well", 10 * wait::PATIENCE, async || {
        collect(&site).await.ok()
    });
    println!("{pulls} pulls, {} signals; {}", count.load(Relaxed), told.await);
    assert!(count.load(Relaxed) > 0, "there was a worker to be harassed");
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}

#[tokio::test]
async fn heavy_ten_times_the_bytes_of_the_disk() {
    ten_times_its_size(Disk::tmpfs(12 * MIB, 4000), 12 * MIB).await;
}

#[tokio::test]
async fn heavy_ten_times_what_its_inodes_hold() {
    ten_times_its_size(Disk::tmpfs(400 * MIB, 60), 12 * MIB).await;
}

#[tokio::test]
async fn heavy_ten_times_both() {
    ten_times_its_size(Disk::ext4(24 * MIB, 90), 16 * MIB).await;
}

#[tokio::test]
async fn heavy_restarts_do_not_keep_it_from_collecting() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let mut site = Site::on(disk, |config| config).await;
    for round in 0..8 {
        site.pull(12 * MIB, 100 + round).await;
        // In the middle of whatever it does.
        site.stage.larder.kill().await;
        site.stage.larder.resume().await;
    }
    let history = site.collections().await;
    println!("{} collections, those of earlier lives included", history.len());
    assert!(history.len() > 2, "{history:?}");
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}

#[tokio::test]
async fn heavy_killed_while_it_makes_room() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let mut site = Site::on(disk, |config| config).await;
    let kills = if full() { 500 } else { 25 };
    let mut rng = fastrand::Rng::with_seed(5);
    for kill in 0..kills {
        // Above the mark again, so that it is at work.
        site.pull(3 * MIB, 1000 + kill).await;
        let pulling = site.pull(2 * MIB, 5000 + kill);
        let pause = tokio::time::sleep(Duration::from_micros(rng.u64(0..30_000)));
        tokio::select! {
            _ = pulling => {}
            () = pause => {}
        }
        site.stage.larder.kill().await;
        site.stage.larder.resume().await;
    }
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}
