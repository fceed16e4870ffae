//! The collector on a real cache, with hands that do as a test says.

mod cases;
mod pausing;
mod refusals;
mod settling;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::{
    fake::{Mood, OwnHands},
    *,
};
use crate::{
    cache::{Cache, Call, Disk, Faults, Options, Presence, Space, VerifiedBytes, eviction::Cost},
    clock::{Clock, Timestamp},
    heartbeat::Beat,
    memory::Buffer,
    oci::{Algorithm, Digest, Links, Manifest, MediaType, Repository, Tag, UpstreamName},
    pause::Pause,
};

/// A disk of a size that others use, too, however full the real one is.
struct Shared {
    data: PathBuf,
    bytes: u64,
    others: AtomicU64,
    /// Of ours; what passes it is refused, whatever is said to be free.
    quota: AtomicU64,
}

impl Shared {
    fn ours(&self) -> u64 {
        let folders = ["blobs", "fill"].map(|folder| std::fs::read_dir(self.data.join(folder)));
        let files = folders.into_iter().flatten().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
    }
}

impl Faults for Shared {
    fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        let is_content = path.parent().is_some_and(|folder| folder.ends_with("fill"));
        if call == Call::Write && is_content && self.ours() >= self.quota.load(SeqCst) {
            return Err(rustix::io::Errno::DQUOT.into());
        }
        Ok(())
    }

    fn space(&self, _real: Space) -> Space {
        let ours = self.ours();
        Space {
            bytes: self.bytes,
            free_bytes: self.bytes.saturating_sub(ours + self.others.load(SeqCst)),
            ..Space::default()
        }
    }
}

struct Bed {
    cache: Cache,
    hands: Arc<OwnHands>,
    collector: Collector,
    pinned: Arc<Mutex<Vec<Digest>>>,
    unobtainable: Arc<Mutex<Vec<UpstreamName>>>,
    disk: Arc<Shared>,
    window: Arc<AtomicBool>,
    clock: Clock,
    beat: Beat,
    pause: Pause,
    dir: TempDir,
    images: Mutex<HashMap<u64, Manifest>>,
}

const LIMIT: u64 = 10_000_000;
/// Of a layer's file.
const LAYER: usize = 400_000;

fn name() -> Repository {
    Repository {
        upstream: "up.test".parse().expect("valid"),
        path: "a".parse().expect("valid"),
    }
}

fn tag(number: u64) -> Tag {
    format!("v{number}").parse().expect("valid")
}

fn noise(length: usize, seed: u64) -> Bytes {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    rng.fill(&mut bytes);
    bytes.into()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn manifest_of(layers: &[Bytes]) -> Manifest {
    let entries: Vec<String> = layers
        .iter()
        .map(|layer| format!(r#"{{"digest":"{}","size":{}}}"#, digest(layer), layer.len()))
        .collect();
    let json = format!(r#"{{"layers":[{}]}}"#, entries.join(","));
    Manifest {
        digest: digest(json.as_bytes()),
        media_type: MediaType::OCI_MANIFEST.parse().expect("valid"),
        bytes: json.into(),
    }
}

impl Bed {
    /// With a limit of its own on a large disk.
    async fn new() -> Self {
        Self::on(1 << 40, Some(LIMIT)).await
    }

    async fn on(bytes: u64, max_bytes: Option<u64>) -> Self {
        let bed = Self::raw(bytes, max_bytes).await;
        // Nothing was left by a crash.
        bed.cache.settle(bed.cache.era().expect("an index"));
        bed
    }

    /// On which it is not known yet what a crash has left.
    async fn raw(bytes: u64, max_bytes: Option<u64>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(Shared {
            data: dir.path().to_owned(),
            bytes,
            others: AtomicU64::new(0),
            quota: AtomicU64::new(u64::MAX),
        });
        // Half an hour ago for what is stored first: nothing is young when the clock has moved on.
        let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
        let options = Options {
            max_bytes,
            disk: Disk::with_faults(disk.clone()),
            ..Options::new(dir.path())
        };
        let cache = Cache::open(options, clock.clone()).await.expect("opened");
        let hands = Arc::new(OwnHands::on(dir.path()));
        let pinned = Arc::<Mutex<Vec<Digest>>>::default();
        let unobtainable = Arc::<Mutex<Vec<UpstreamName>>>::default();
        let window = Arc::<AtomicBool>::default();
        let (beat, pause) = (Beat::default(), Pause::default());
        let settings = Settings {
            high: 0.93,
            low: 0.5,
            stop: 0.98,
            grace: Duration::from_secs(60),
            clock: clock.clone(),
            pinned: {
                let pinned = pinned.clone();
                Arc::new(move || pinned.lock().clone())
            },
            costs: {
                let unobtainable = unobtainable.clone();
                Arc::new(move || {
                    let unobtainable = unobtainable.lock().clone();
                    Arc::new(move |upstream| {
                        if unobtainable.contains(upstream) {
                            Cost::UNOBTAINABLE
                        } else {
                            Cost::ORDINARY
                        }
                    })
                })
            },
            window: {
                let window = window.clone();
                Arc::new(move || window.load(SeqCst))
            },
            gone: Arc::new(|| {}),
            short: Arc::new(|| {}),
            history: dir.path().join("collections.log"),
            beat: beat.clone(),
            pause: pause.clone(),
        };
        let (collector, _task) = Collector::start(cache.clone(), hands.clone(), settings);
        Self {
            cache,
            hands,
            collector,
            pinned,
            unobtainable,
            disk,
            window,
            clock,
            beat,
            pause,
            dir,
            images: Mutex::default(),
        }
    }

    async fn file(&self, bytes: &Bytes) -> Result<(), crate::cache::CacheError> {
        let size = Some(bytes.len() as u64);
        let mut fill = self.cache.begin_fill(&name(), &digest(bytes), size).await?;
        fill.append(vec![Buffer::borrowed(bytes.clone())]).await?;
        fill.verify().expect("matches").publish().await.map(|_| ())
    }

    /// Stores an image of a layer of its own, one that all share, and a small configuration.
    async fn image(&self, number: u64) {
        let (own, shared) = (noise(LAYER, number), noise(LAYER, u64::MAX));
        let configuration = noise(500, number ^ 0xffff);
        let entry = |bytes: &Bytes| format!(r#"{{"digest":"{}","size":{}}}"#, digest(bytes), bytes.len());
        let json = format!(
            r#"{{"config":{},"layers":[{},{}]}}"#,
            entry(&configuration),
            entry(&shared),
            entry(&own)
        );
        let manifest = Manifest {
            digest: digest(json.as_bytes()),
            media_type: MediaType::OCI_MANIFEST.parse().expect("valid"),
            bytes: json.into(),
        };
        self.cache.put_manifest(&name(), &manifest).await.expect("stored");
        let small = VerifiedBytes::check(digest(&configuration), configuration).expect("its digest");
        self.cache.put_small(&name(), small).await.expect("stored");
        for layer in [&own, &shared] {
            if matches!(self.cache.blob(&name(), &digest(layer)), Ok(Presence::Absent)) {
                self.file(layer).await.expect("stored");
            }
        }
        let now = Timestamp(1_800_000_000);
        self.cache
            .put_tag(&name(), &tag(number), manifest.digest, now)
            .await
            .expect("stored");
        self.images.lock().insert(number, manifest);
    }

    /// Whether an image is listed; one that is must be whole.
    fn listed(&self, number: u64) -> bool {
        let Some(record) = self.cache.tag(&name(), &tag(number)).expect("read") else {
            let digest = self.images.lock()[&number].digest;
            let left = self.cache.manifest(&name(), &digest).expect("read");
            assert!(left.is_none(), "{number} is not listed and its manifest is here");
            return false;
        };
        let manifest = self.cache.manifest(&name(), &record.digest).expect("read");
        let manifest = manifest.unwrap_or_else(|| panic!("{number} is listed without its manifest"));
        for link in Links::of(&manifest.bytes).expect("a manifest").blobs {
            assert!(
                matches!(self.cache.blob(&name(), &link.digest), Ok(Presence::Here(_))),
                "{number} is listed without {}",
                link.digest
            );
        }
        true
    }

    /// What is really there against what is counted.
    fn accounted(&self) {
        let stats = self.cache.stats();
        let files: Vec<u64> = std::fs::read_dir(self.dir.path().join("blobs"))
            .expect("listed")
            .map(|file| file.expect("listed").metadata().expect("there").len())
            .collect();
        assert_eq!(stats.files, files.len() as u64);
        assert_eq!(stats.bytes - stats.inline_bytes, files.iter().sum::<u64>());
    }

    /// Time passes, so that nothing is young.
    async fn pass(&self) {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(120)).await;
        tokio::time::resume();
    }
}
