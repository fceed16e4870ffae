//! Inspections on a real cache, with a walk that does as a test says ([`script`]).

mod recovery;
mod scans;
mod script;
mod scrubs;

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::Instant};

use script::{Act, Scripted};

use super::*;
use crate::{
    cache::{Cache, Options, Presence, Stamp},
    clock::Clock,
    collector::fake::{Mood, OwnHands},
    heartbeat::Load,
    janitor::{
        Cursor, Failure, Finding, Folder, JobError, Name, Pace, Part, Progress, Refusal, Report, Step, Task,
        Walk,
    },
    memory::Buffer,
    oci::{Algorithm, Digest, Repository},
    pause::Cause,
};

const BLOB: usize = 40_000;
const NOW: u64 = 1_800_000_000;

struct Bed {
    cache: Cache,
    walker: Arc<Scripted>,
    hands: Arc<OwnHands>,
    open: Arc<AtomicBool>,
    settings: Settings,
    dir: TempDir,
}

fn name() -> Repository {
    Repository {
        upstream: "up.test".parse().expect("valid"),
        path: "a".parse().expect("valid"),
    }
}

fn noise(seed: u64) -> Bytes {
    let mut bytes = vec![0; BLOB];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

async fn store(cache: &Cache, bytes: &Bytes) {
    let size = Some(bytes.len() as u64);
    let fill = cache.begin_fill(&name(), &digest(bytes), size).await;
    let mut fill = fill.expect("begun");
    fill.append(vec![Buffer::borrowed(bytes.clone())])
        .await
        .expect("stored");
    let verified = fill.verify().expect("matches");
    verified.publish().await.expect("published");
}

impl Bed {
    /// Nothing was adopted yet.
    async fn raw() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::starting_at(Duration::from_secs(NOW));
        let cache = Cache::open(Options::new(dir.path()), clock.clone()).await;
        let open = Arc::<AtomicBool>::default();
        let window = open.clone();
        Self {
            cache: cache.expect("opened"),
            walker: Arc::new(Scripted {
                dir: dir.path().to_owned(),
                ..Scripted::default()
            }),
            hands: Arc::new(OwnHands::on(dir.path())),
            settings: Settings {
                window: Arc::new(move || window.load(SeqCst)),
                rng: fastrand::Rng::with_seed(3),
                ..Settings::new(clock, dir.path().join("inspection.json"))
            },
            open,
            dir,
        }
    }

    async fn new() -> Self {
        let bed = Self::raw().await;
        bed.cache.recover().await;
        bed
    }

    fn start(&self) -> Inspector {
        Inspector::start(
            self.cache.clone(),
            self.walker.clone(),
            self.hands.clone(),
            self.settings.clone(),
        )
        .0
    }

    /// Blobs in the order of their digests.
    async fn store_all(&self, count: u64) -> Vec<Bytes> {
        let mut all: Vec<Bytes> = (0..count).map(noise).collect();
        all.sort_by_key(|bytes| digest(bytes));
        for bytes in &all {
            store(&self.cache, bytes).await;
        }
        all
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        self.dir.path().join("blobs").join(digest(bytes).file_name())
    }

    fn plant(&self, bytes: &[u8]) -> PathBuf {
        let path = self.file(bytes);
        fs::write(&path, bytes).expect("written");
        let file = fs::File::options().write(true).open(&path).expect("opened");
        let long_ago = UNIX_EPOCH + Duration::from_secs(NOW - 86_400);
        file.set_modified(long_ago).expect("aged");
        path
    }

    fn is_here(&self, bytes: &[u8]) -> bool {
        let found = self.cache.blob(&name(), &digest(bytes)).expect("looked up");
        matches!(found, Presence::Here(_))
    }

    fn act(&self, acts: impl IntoIterator<Item = Act>) {
        *self.walker.acts.lock() = acts.into_iter().collect();
    }
}

async fn scan(inspector: &Inspector) -> Record {
    let mut records = inspector.inspect(Depth::Scan).await.expect("answered");
    records.pop().expect("a scan")
}

/// Waits for a state of the history, in any time.
async fn until(inspector: &Inspector, what: impl Fn(&[Record]) -> bool) {
    let mut looks = 0;
    while !what(&inspector.history()) {
        looks += 1;
        assert!(looks < 200_000, "{:?}", inspector.history());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
