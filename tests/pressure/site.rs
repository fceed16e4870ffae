//! A site: images that share bases, pulled by a Zipf distribution through one small disk.

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
    images::{Compression, Image, ImageBuilder, Layer},
    larder::{self, Config, Larder},
    sequences,
    stage::{REPOSITORY, Stage, UPSTREAM, quick},
    upstream::Settings,
    wait,
};

pub(crate) const MIB: u64 = 1 << 20;
/// Images at the upstream.
const IMAGES: u64 = 60;
/// Above this part nothing is stored; the index may take a little more.
const STOP: f64 = 0.98;

/// A site: images that share bases, and one disk.
pub(crate) struct Site {
    pub(crate) stage: Stage,
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

fn configuration(upstream: &str) -> Config {
    // Everything is a file, so that inodes are what is short.
    quick(&[upstream.to_owned()])
        .set("cache.inline_below", "\"1KiB\"")
        // Hours of pulls in seconds.
        .set("janitor.grace", "\"0s\"")
}

impl Site {
    /// For the next start.
    pub(crate) fn configuration(&self, configure: impl FnOnce(Config) -> Config) -> Config {
        configure(configuration(&self.stage.upstream.url()))
    }

    pub(crate) async fn on(disk: Disk, configure: impl FnOnce(Config) -> Config) -> Self {
        let upstream = Settings::default().start().await;
        let images: Vec<Image> = (0..IMAGES).map(image).collect();
        for (number, image) in images.iter().enumerate() {
            upstream.content().push(REPOSITORY, &format!("v{number}"), image);
        }
        let config = configure(configuration(&upstream.url()));
        let larder = Larder::start_on(config, disk.path()).await;
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
    pub(crate) async fn pull(&self, bytes: u64, seed: u64) -> u64 {
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
    pub(crate) async fn accounted(&self) {
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

    /// What part of the bytes is in use.
    pub(crate) fn fullness(&self) -> f64 {
        let stat = rustix::fs::statvfs(self.disk.path()).expect("a mounted disk has figures");
        (stat.f_blocks - stat.f_bavail) as f64 / stat.f_blocks as f64
    }

    pub(crate) fn never_above_stop(&self) {
        self.watching.store(false, Relaxed);
        let [bytes, inodes] = [0, 1].map(|at| self.fullest[at].load(Relaxed) as f64 / 1e6);
        println!("fullest: bytes {bytes:.4}, inodes {inodes:.4}");
        assert!(bytes <= STOP && inodes <= STOP, "bytes {bytes}, inodes {inodes}");
    }

    pub(crate) async fn collections(&self) -> Vec<serde_json::Value> {
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
pub(crate) async fn what_is_listed_is_whole(site: &Site) {
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

/// `larder collect`: what it said.
pub(crate) async fn collect(site: &Site) -> Result<String, String> {
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
pub(crate) fn harass(
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
