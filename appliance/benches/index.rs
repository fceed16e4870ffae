//! Figures behind the index: `cargo bench -p appliance --bench index`.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use larder::{
    cache::{Cache, CompactWhen, Options, Presence, VerifiedBytes},
    clock::Clock,
    oci::{Algorithm, Digest, Repository},
};
use redb::{Builder, Database, Durability, TableDefinition};
use tempfile::TempDir;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        compacting(100, 200_000).await;
        compacting(3000, 40_000).await;
    });
    if std::env::args().any(|argument| argument == "compaction") {
        return;
    }
    opening_a_large_index_after_a_kill();
    runtime.block_on(a_cache_of_many_small_blobs());
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn repository(path: &str) -> Repository {
    Repository {
        upstream: "up.test".parse().expect("valid"),
        path: path.parse().expect("valid"),
    }
}

fn content(seed: u64, length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

fn small(bytes: &Bytes) -> VerifiedBytes {
    VerifiedBytes::check(digest(bytes), bytes.clone()).expect("its own digest")
}

async fn open(dir: &Path) -> Cache {
    let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
    Cache::open(Options::new(dir), clock).await.expect("opened")
}

/// The folder as a process that was killed leaves it.
fn killed(dir: &Path) -> TempDir {
    let left = tempfile::tempdir().expect("folder");
    fs::copy(dir.join("index.redb"), left.path().join("index.redb")).expect("copied");
    left
}

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

fn insert(database: &Database, quick: Quick, from: u64, count: u64) {
    let mut transaction = database.begin_write().expect("begun");
    transaction
        .set_durability(Durability::Immediate)
        .expect("durable");
    transaction.set_quick_repair(quick == Quick::Yes);
    {
        let mut rows = transaction.open_table(ROWS).expect("opened");
        for number in from..from + count {
            let key = digest(&number.to_le_bytes());
            rows.insert(key.key(), &[7u8; 120][..]).expect("inserted");
        }
    }
    transaction.commit().expect("written");
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Quick {
    Yes,
    No,
}

/// What redb's quick repair costs at each commit and saves at an opening after a kill.
fn opening_a_large_index_after_a_kill() {
    let rows = 300_000;
    for quick in [Quick::No, Quick::Yes] {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("index");
        let database = Builder::new()
            .set_cache_size(4 << 20)
            .create(&path)
            .expect("created");
        let started = Instant::now();
        for from in (0..rows).step_by(1000) {
            insert(&database, quick, from, 1000);
        }
        println!("{quick:?}: {rows} rows in {:?}", started.elapsed());
        let started = Instant::now();
        for number in 0..50 {
            insert(&database, quick, rows + number, 1);
        }
        println!("{quick:?}: one row per commit: {:?} each", started.elapsed() / 50);
        let copy = folder.path().join("killed");
        fs::copy(&path, &copy).expect("copied");
        println!(
            "{quick:?}: {} MiB",
            fs::metadata(&copy).expect("there").len() >> 20
        );
        let started = Instant::now();
        let killed = Builder::new()
            .set_cache_size(4 << 20)
            .open(&copy)
            .expect("opened");
        println!("{quick:?}: opened after a kill in {:?}", started.elapsed());
        drop(killed);
        let started = Instant::now();
        drop(database);
        println!("{quick:?}: closed in {:?}", started.elapsed());
    }
}

fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("read");
    status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default()
        .to_owned()
}

/// Many small blobs: time, memory, commits, and opening after a kill.
async fn a_cache_of_many_small_blobs() {
    let folder = tempfile::tempdir().expect("folder");
    println!("at the start: {}", resident());
    let cache = open(folder.path()).await;
    println!("empty: {}", resident());
    let name = repository("a");
    let one = Instant::now();
    for number in 0..50 {
        cache
            .put_small(&name, small(&content(1 << 40 | number, 100)))
            .await
            .expect("stored");
    }
    println!("one at a time: {:?} each", one.elapsed() / 50);
    let started = Instant::now();
    for round in 0..200u64 {
        let contents: Vec<_> = (0..1000)
            .map(|number| content(round * 1000 + number, 100))
            .collect();
        let puts = contents.iter().map(|bytes| cache.put_small(&name, small(bytes)));
        futures_util::future::join_all(puts).await;
    }
    println!(
        "200 000 small blobs in {:?}, {:?}",
        started.elapsed(),
        cache.stats().counters
    );
    println!(
        "afterwards: {}, index {} MiB",
        resident(),
        cache.stats().index_bytes >> 20
    );
    let one = Instant::now();
    for number in 0..50 {
        cache
            .put_small(&name, small(&content(2 << 40 | number, 100)))
            .await
            .expect("stored");
    }
    println!("one at a time: {:?} each", one.elapsed() / 50);
    let started = Instant::now();
    for number in 0..100_000 {
        let found = cache.blob(&name, &digest(&content(number * 2, 100)));
        assert!(matches!(found, Ok(Presence::Here(_))));
    }
    println!(
        "looked up in {:?} each, hashing and making the content included",
        started.elapsed() / 100_000
    );
    let left = killed(folder.path());
    cache.close().await;
    drop(cache);
    let started = Instant::now();
    let _cache = open(left.path()).await;
    println!("opened after a kill in {:?}: {}", started.elapsed(), resident());
}

/// An index that has lost most of its rows: how much smaller it gets, and how long who reads or writes waits.
async fn compacting(length: usize, count: u64) {
    let folder = tempfile::tempdir().expect("folder");
    let cache = open(folder.path()).await;
    let name = repository("a");
    for from in (0..count).step_by(1000) {
        let contents: Vec<_> = (from..from + 1000).map(|seed| content(seed, length)).collect();
        let puts = contents.iter().map(|bytes| cache.put_small(&name, small(bytes)));
        futures_util::future::join_all(puts).await;
    }
    println!(
        "{count} blobs of {length} bytes: {:?}",
        cache.index_occupancy().expect("read")
    );
    for from in (0..count).step_by(1000) {
        let gone: Vec<_> = (from..from + 1000)
            .filter(|seed| seed % 10 != 0)
            .map(|seed| digest(&content(seed, length)))
            .collect();
        let evictions = gone.iter().map(|digest| cache.evict(digest));
        futures_util::future::join_all(evictions).await;
    }
    println!("nine of ten gone: {:?}", cache.index_occupancy().expect("read"));
    let reading = cache.clone();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let told = done.clone();
    let reader = std::thread::spawn(move || {
        let (mut longest, mut reads) = (Duration::ZERO, 0u64);
        let name = repository("a");
        while !told.load(std::sync::atomic::Ordering::Relaxed) {
            let digest = digest(&content(reads % (count / 10) * 10, length));
            let started = Instant::now();
            let found = reading.blob(&name, &digest);
            longest = longest.max(started.elapsed());
            assert!(matches!(found, Ok(Presence::Here(_))), "{found:?}");
            reads += 1;
        }
        (reads, longest)
    });
    let started = Instant::now();
    let (compacted, longest) = tokio::join!(cache.compact_index(CompactWhen::Idle), async {
        let mut longest = Duration::ZERO;
        for number in 0..100 {
            let put = Instant::now();
            let bytes = content(3 << 40 | number, 100);
            cache.put_small(&name, small(&bytes)).await.expect("stored");
            longest = longest.max(put.elapsed());
        }
        longest
    });
    println!(
        "{compacted:?} in {:?}; the longest of 100 writes: {longest:?}",
        started.elapsed()
    );
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    println!("(reads, longest): {:?}", reader.join().expect("joined"));
    println!(
        "afterwards: {:?}, {}",
        cache.index_occupancy().expect("read"),
        resident()
    );
    let compacted = cache.compact_index(CompactWhen::Idle).await;
    println!(
        "once more: {compacted:?}, {:?}",
        cache.index_occupancy().expect("read")
    );
}
