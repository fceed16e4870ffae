//! The collector on a real cache, with hands that do as a test says.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::{
    cache::{Cache, Disk, Faults, Options, Presence, Space, VerifiedBytes, eviction::Cost},
    clock::{Clock, Timestamp},
    memory::Buffer,
    oci::{Algorithm, Digest, Links, Manifest, MediaType, Repository, Tag, UpstreamName},
};

/// A disk of a size that others use, too, however full the real one is.
struct Shared {
    data: PathBuf,
    bytes: u64,
    others: AtomicU64,
}

impl Faults for Shared {
    fn space(&self, _real: Space) -> Space {
        let folders = ["blobs", "fill"].map(|folder| std::fs::read_dir(self.data.join(folder)));
        let files = folders.into_iter().flatten().flatten().flatten();
        let ours: u64 = files.filter_map(|file| Some(file.metadata().ok()?.len())).sum();
        Space {
            bytes: self.bytes,
            free_bytes: self.bytes.saturating_sub(ours + self.others.load(SeqCst)),
            ..Space::default()
        }
    }
}

/// How the hands are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Able,
    Unable,
}

/// Hands that remove files themselves.
struct Own {
    data: PathBuf,
    mood: Mutex<Mood>,
    /// A permit for each time that they may begin.
    gate: Semaphore,
    calls: AtomicUsize,
}

impl Hands for Own {
    fn remove(&self, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        self.remove_from("blobs", files)
    }

    fn remove_partials(&self, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        self.remove_from("fill", files)
    }
}

impl Own {
    fn remove_from(
        &self,
        folder: &'static str,
        files: Vec<Digest>,
    ) -> BoxFuture<'_, Result<Removed, Unable>> {
        async move {
            self.calls.fetch_add(1, SeqCst);
            self.gate.acquire().await.expect("open").forget();
            if *self.mood.lock() == Mood::Unable {
                return Err(Unable {
                    why: "the hands are tied".to_owned(),
                    retry_at: None,
                });
            }
            let mut removed = Removed::default();
            for digest in files {
                let path = self.data.join(folder).join(digest.file_name());
                removed.bytes += std::fs::metadata(&path).map_or(0, |file| file.len());
                removed.files += u64::from(std::fs::remove_file(&path).is_ok());
            }
            Ok(removed)
        }
        .boxed()
    }
}

struct Bed {
    cache: Cache,
    hands: Arc<Own>,
    collector: Collector,
    pinned: Arc<Mutex<Vec<Digest>>>,
    unobtainable: Arc<Mutex<Vec<UpstreamName>>>,
    disk: Arc<Shared>,
    clock: Clock,
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
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(Shared {
            data: dir.path().to_owned(),
            bytes,
            others: AtomicU64::new(0),
        });
        // Half an hour ago for what is stored first: nothing is young when the clock has moved on.
        let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
        let options = Options {
            max_bytes,
            disk: Disk::with_faults(disk.clone()),
            ..Options::new(dir.path())
        };
        let cache = Cache::open(options, clock.clone()).await.expect("opened");
        let hands = Arc::new(Own {
            data: dir.path().to_owned(),
            mood: Mutex::new(Mood::Able),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            calls: AtomicUsize::new(0),
        });
        let pinned = Arc::<Mutex<Vec<Digest>>>::default();
        let unobtainable = Arc::<Mutex<Vec<UpstreamName>>>::default();
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
            window: Arc::new(|| false),
            gone: Arc::new(|| {}),
            short: Arc::new(|| {}),
            history: dir.path().join("collections.log"),
        };
        let (collector, _task) = Collector::start(cache.clone(), hands.clone(), settings);
        Self {
            cache,
            hands,
            collector,
            pinned,
            unobtainable,
            disk,
            clock,
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

#[tokio::test]
async fn whole_images_go_the_coldest_first_and_what_stays_is_whole() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    // The first is asked for again.
    let first = bed.images.lock()[&0].digest;
    for _ in 0..3 {
        bed.cache.used(&first);
    }
    bed.pass().await;
    let record = bed.collector.collect().await.expect("collected");
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert_eq!(record.why, Why::Asked);
    let listed: Vec<u64> = (0..22).filter(|number| bed.listed(*number)).collect();
    assert!(listed.contains(&0), "{listed:?}");
    assert!((8..=12).contains(&listed.len()), "{listed:?}");
    assert_eq!(record.units as usize, 22 - listed.len(), "{record}");
    assert_eq!(record.files, record.units, "the shared layer stays");
    assert!(record.after <= 500 && record.after > 400, "{record}");
    bed.accounted();
    assert_eq!(bed.collector.history(), [record]);
}

#[tokio::test]
async fn it_begins_by_itself_when_a_fill_finds_it_above_the_mark() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    // The last two bring it above the high mark.
    for number in 22..24 {
        let bytes = noise(LAYER, number);
        let _ = bed.file(&bytes).await;
    }
    while bed.collector.history().is_empty() {
        let _ = bed.file(&noise(LAYER, 99)).await;
        tokio::task::yield_now().await;
    }
    let history = bed.collector.history();
    assert!(history[0].why.is_urgent(), "{}", history[0]);
    assert!(history[0].units > 0, "{}", history[0]);
    bed.accounted();
}

#[tokio::test]
async fn hands_that_are_tied_are_told_and_nothing_more_is_taken() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    *bed.hands.mood.lock() = Mood::Unable;
    let record = bed.collector.collect().await.expect("answered");
    assert_eq!(record.ending, Ending::Failed("the hands are tied".to_owned()));
    let gone = record.units;
    assert!(gone > 0 && record.files == 0, "{record}");
    // Again: what is off the list is tried first, and nothing is added to it.
    let again = bed.collector.collect().await.expect("answered");
    assert_eq!((again.units, again.files), (0, 0), "{again}");
    // Nobody fills anew what is about to be removed.
    let missing = (0..22).find(|number| !bed.listed(*number)).expect("one went");
    assert!(bed.file(&noise(LAYER, missing)).await.is_err());
    *bed.hands.mood.lock() = Mood::Able;
    let at_last = bed.collector.collect().await.expect("answered");
    assert_eq!(
        (&at_last.ending, at_last.files),
        (&Ending::Done, gone),
        "{at_last}"
    );
    bed.accounted();
    bed.file(&noise(LAYER, missing))
        .await
        .expect("it can be stored again");
    bed.accounted();
}

#[tokio::test]
async fn who_asks_while_one_runs_joins_it() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    let closed = bed.hands.gate.forget_permits(Semaphore::MAX_PERMITS);
    let collect = |collector: Collector| tokio::spawn(async move { collector.collect().await });
    let first = collect(bed.collector.clone());
    while bed.hands.calls.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let others: Vec<_> = (0..5).map(|_| collect(bed.collector.clone())).collect();
    tokio::task::yield_now().await;
    bed.hands.gate.add_permits(closed);
    let record = first.await.expect("no panic").expect("collected");
    for other in others {
        assert_eq!(other.await.expect("no panic").expect("answered"), record);
    }
    assert_eq!(bed.collector.history().len(), 1);
}

#[tokio::test]
async fn what_is_pinned_stays_and_the_verdict_says_so() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    let all: Vec<Digest> = bed
        .images
        .lock()
        .values()
        .map(|manifest| manifest.digest)
        .collect();
    *bed.pinned.lock() = all;
    let record = bed.collector.collect().await.expect("answered");
    let Ending::Short(verdict) = &record.ending else {
        panic!("{record}");
    };
    assert!(verdict.contains("pinned 8."), "{verdict}");
    assert_eq!(record.units, 0);
    assert!((0..22).all(|number| bed.listed(number)));
}

#[tokio::test]
async fn what_fills_left_behind_counts_and_goes_before_anything_that_serves() {
    let bed = Bed::new().await;
    for number in 0..8 {
        bed.image(number).await;
    }
    // Twelve that nobody goes on with, of which nothing is published.
    let leave = async |number: u64, bytes: usize| {
        let whole = noise(LAYER, 1000 + number);
        let fill = bed
            .cache
            .begin_fill(&name(), &digest(&whole), Some(LAYER as u64))
            .await;
        let mut fill = fill.expect("there is room");
        let part = Buffer::borrowed(whole.slice(..bytes));
        fill.append(vec![part]).await.expect("written");
        fill
    };
    for number in 0..12 {
        drop(leave(number, LAYER - 1).await);
    }
    // For the clock alone: nothing is looked at meanwhile.
    bed.clock.not_before(Timestamp(bed.clock.now().0 + 120));
    let running = leave(12, 1000).await;
    drop(leave(13, 1000).await);
    let used = |bed: &Bed| bed.cache.pressure().expect("asked").own_bytes.used;
    assert!(used(&bed) > LIMIT * 8 / 10, "they count: {}", used(&bed));
    assert_eq!(bed.cache.stats().abandoned.inodes, 13);
    let rehearsed = bed.collector.rehearse().await.expect("answered");
    let record = bed.collector.collect().await.expect("collected");
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert_eq!((record.units, record.files), (10, 10), "{record}");
    assert_eq!((rehearsed.units, rehearsed.bytes), (record.units, record.bytes));
    assert!((0..8).all(|number| bed.listed(number)), "what serves stays");
    let left: Vec<_> = std::fs::read_dir(bed.dir.path().join("fill"))
        .expect("listed")
        .collect();
    assert_eq!(
        left.len(),
        4,
        "one that runs, one that is young, two that need not go"
    );
    let stats = bed.cache.stats();
    assert_eq!((stats.partials, stats.abandoned.inodes), (4, 3));
    assert_eq!(stats.abandoned.bytes, 2 * (LAYER as u64 - 1) + 1000);
    assert_eq!(used(&bed), stats.bytes + LAYER as u64 + stats.abandoned.bytes);
    drop(running);
    assert_eq!(used(&bed), stats.bytes + 1000 + stats.abandoned.bytes);
}

#[tokio::test]
async fn what_cannot_be_fetched_again_goes_last() {
    for (out, stays) in [(vec![], false), (vec![name().upstream], true)] {
        let bed = Bed::new().await;
        // As large as others' images, and the coldest.
        let manifest = manifest_of(&[noise(2 * LAYER, 7)]);
        bed.file(&noise(2 * LAYER, 7)).await.expect("stored");
        let here = name();
        bed.cache.put_manifest(&here, &manifest).await.expect("stored");
        let elsewhere = Repository {
            upstream: "other.test".parse().expect("valid"),
            ..name()
        };
        for number in 0..18 {
            let layer = noise(LAYER, 100 + number);
            bed.file(&layer).await.expect("stored");
            let manifest = manifest_of(&[layer]);
            bed.cache
                .put_manifest(&elsewhere, &manifest)
                .await
                .expect("stored");
        }
        bed.clock.not_before(Timestamp(bed.clock.now().0 + 120));
        *bed.unobtainable.lock() = out;
        let record = bed.collector.collect().await.expect("collected");
        assert_eq!(record.ending, Ending::Done, "{record}");
        let kept = bed.cache.manifest(&here, &manifest.digest).expect("read");
        assert_eq!(kept.is_some(), stays, "{record}");
    }
}

#[tokio::test]
async fn a_disk_that_others_fill_gets_what_is_above_the_floor_and_no_more() {
    let bed = Bed::on(LIMIT, None).await;
    for number in 0..20 {
        bed.image(number).await;
    }
    bed.clock.not_before(Timestamp(bed.clock.now().0 + 120));
    let listed = || (0..20).filter(|number| bed.listed(*number)).count();
    // A tenth of the disk is the others': down to the low mark of the whole.
    bed.disk.others.store(1_000_000, SeqCst);
    let record = bed.collector.collect().await.expect("answered");
    assert_eq!(record.ending, Ending::Done, "{record}");
    assert!((8..=9).contains(&listed()), "{record}");
    // All of it: the cache keeps a tenth, and says so.
    bed.disk.others.store(LIMIT, SeqCst);
    let record = bed.collector.collect().await.expect("answered");
    let Ending::Short(why) = &record.ending else {
        panic!("{record}");
    };
    assert!(why.contains("is not the cache's"), "{why}");
    assert_eq!(listed(), 1, "{record}");
    bed.accounted();
    let again = bed.collector.collect().await.expect("answered");
    assert_eq!((again.units, &again.ending), (0, &record.ending), "{again}");
}

#[tokio::test]
async fn a_rehearsal_says_what_would_go_and_changes_nothing() {
    let bed = Bed::new().await;
    for number in 0..22 {
        bed.image(number).await;
    }
    bed.pass().await;
    let rehearsed = bed.collector.rehearse().await.expect("answered");
    assert_eq!(rehearsed.ending, Ending::Rehearsed);
    assert!((0..22).all(|number| bed.listed(number)));
    assert!(bed.collector.history().is_empty());
    let record = bed.collector.collect().await.expect("answered");
    assert_eq!((record.units, record.bytes), (rehearsed.units, rehearsed.bytes));
}
