//! Making room among a million small blobs: `cargo bench -p appliance --bench collection -- [BLOBS] [FOLDER]`.
//!
//! With `LARDER_BIN`, also what the whole process needs on the same data: its start and its memory.
//! FOLDER is best on tmpfs (`/dev/shm`), for what is asked is what the code costs, not the disk.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use larder::{
    cache::{Cache, Options, Remains, VerifiedBytes, eviction::Cost},
    clock::Clock,
    collector::{Collector, Hands, Record, Removed, Settings, Unable},
    heartbeat::Beat,
    oci::{Algorithm, Digest, Repository},
    pause::Pause,
};

/// Of each blob, in bytes: a configuration's size.
const SIZE: usize = 300;

fn main() {
    // Cargo passes `--bench`.
    let mut arguments = std::env::args_os()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let count = arguments
        .next()
        .and_then(|text| text.to_str()?.parse().ok())
        .unwrap_or(1_000_000);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let data = tempfile::tempdir_in(folder).expect("a folder");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(fill(data.path(), count));
    if let Some(binary) = std::env::var_os("LARDER_BIN") {
        whole_process(Path::new(&binary), data.path(), count * SIZE as u64);
    }
    runtime.block_on(collect(data.path()));
}

fn clock() -> Clock {
    // Two minutes before what `collect` calls now: nothing is young.
    Clock::starting_at(Duration::from_secs(1_800_000_000))
}

async fn open(data: &Path, clock: &Clock, limit: Option<u64>) -> Cache {
    let options = Options {
        max_bytes: limit,
        ..Options::new(data)
    };
    Cache::open(options, clock.clone()).await.expect("opened")
}

async fn fill(data: &Path, count: u64) {
    let began = Instant::now();
    let cache = open(data, &clock(), None).await;
    let name = Repository {
        upstream: "up.test".parse().expect("valid"),
        path: "a".parse().expect("valid"),
    };
    let mut rng = fastrand::Rng::with_seed(1);
    let mut left = count;
    while left > 0 {
        let batch = left.min(4096);
        let puts = (0..batch).map(|_| {
            let mut bytes = vec![0; SIZE];
            rng.fill(&mut bytes);
            let bytes = Bytes::from(bytes);
            let digest = Digest::of(Algorithm::Sha256, &bytes);
            let small = VerifiedBytes::check(digest, bytes).expect("its digest");
            cache.put_small(&name, small)
        });
        for put in futures_util::future::join_all(puts).await {
            put.expect("stored");
        }
        left -= batch;
    }
    let stats = cache.stats();
    cache.close().await;
    println!(
        "filled: {} blobs, index of {} MiB, uses.log of {} MiB, in {:.1?}",
        stats.inline,
        stats.index_bytes >> 20,
        fs::metadata(data.join("uses.log")).map_or(0, |file| file.len()) >> 20,
        began.elapsed()
    );
}

/// Nothing here has a file.
struct Idle;

impl Hands for Idle {
    fn remove(&self, _: Remains, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        assert!(files.is_empty(), "all of it is inline");
        async { Ok(Removed::default()) }.boxed()
    }
}

fn settings(data: &Path, clock: &Clock, low: f64, in_window: Arc<AtomicBool>) -> Settings {
    Settings {
        // Nothing but the window and a person sets it off.
        high: 2.0,
        low,
        stop: 1.0,
        grace: Duration::from_secs(60),
        clock: clock.clone(),
        pinned: Arc::new(Vec::new),
        costs: Arc::new(|| Arc::new(|_| Cost::ORDINARY)),
        window: Arc::new(move || in_window.load(Relaxed)),
        gone: Arc::new(|| {}),
        short: Arc::new(|| {}),
        history: data.join("collections.log"),
        beat: Beat::default(),
        pause: Pause::default(),
    }
}

async fn collect(data: &Path) {
    let clock = Clock::starting_at(Duration::from_secs(1_800_000_600));
    let full = open(data, &clock, None).await;
    let total = full.stats().bytes;
    full.close().await;
    drop(full);
    // In need: down to three quarters, as fast as it goes.
    let cache = open(data, &clock, Some(total)).await;
    let before = memory();
    let window = Arc::<AtomicBool>::default();
    let hands: Arc<dyn Hands> = Arc::new(Idle);
    let (collector, task) =
        Collector::start(cache.clone(), hands.clone(), settings(data, &clock, 0.75, window));
    let (record, share) = run(&cache, &collector).await;
    println!("asked for: {record}");
    println!(
        "  {:.0} evictions/s; the writer was busy for {:.1} % of the time; memory {} MiB at most, {} MiB before",
        record.pieces as f64 * 1000.0 / record.took.max(1) as f64,
        share * 100.0,
        memory().1 >> 20,
        before.0 >> 20,
    );
    task.abort();
    cache.close().await;
    drop((cache, collector));
    // For what can wait: in the window, a little.
    let cache = open(data, &clock, Some(total * 3 / 4)).await;
    let window = Arc::new(AtomicBool::new(true));
    let (collector, task) = Collector::start(cache.clone(), hands, settings(data, &clock, 0.98, window));
    let (began, busy) = (Instant::now(), cache.stats().counters.writing);
    let earlier = collector.history().len();
    while collector.history().len() == earlier {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let share = (cache.stats().counters.writing - busy).as_secs_f64() / began.elapsed().as_secs_f64();
    let record = collector.history().pop().expect("it ended");
    println!(
        "in the background: {record}\n  the writer was busy for {:.2} % of the time",
        share * 100.0
    );
    task.abort();
    cache.close().await;
}

async fn run(cache: &Cache, collector: &Collector) -> (Record, f64) {
    let (began, busy) = (Instant::now(), cache.stats().counters.writing);
    let record = collector.collect().await.expect("collected");
    let share = (cache.stats().counters.writing - busy).as_secs_f64() / began.elapsed().as_secs_f64();
    (record, share)
}

/// Resident now and at most, in bytes.
fn memory() -> (u64, u64) {
    status(&fs::read_to_string("/proc/self/status").unwrap_or_default())
}

fn status(text: &str) -> (u64, u64) {
    let figure = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    (
        figure("VmRSS:").unwrap_or(0) << 10,
        figure("VmHWM:").unwrap_or(0) << 10,
    )
}

/// The daemon on the same data.
fn whole_process(binary: &Path, data: &Path, limit: u64) {
    let began = Instant::now();
    let mut daemon = Daemon(
        Command::new(binary)
            // It would be taken for a setting.
            .env_remove("LARDER_BIN")
            .env("LARDER_DATA_DIR", data)
            // It is full, and collects at once.
            .env("LARDER_CACHE__MAX_BYTES", limit.to_string())
            .env("LARDER_LISTEN__HTTP", "127.0.0.1:0")
            .env("LARDER_LOG__FORMAT", "json")
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("started"),
    );
    let log = BufReader::new(daemon.0.stderr.take().expect("piped"));
    let mut lines = log.lines();
    let address = lines
        .by_ref()
        .find_map(|line| {
            let line = line.ok()?;
            if line.contains("error") {
                eprintln!("{line}");
            }
            let at = line.find("\"http\":\"")? + 8;
            Some(line[at..].split('"').next()?.to_owned())
        })
        .expect("it listens");
    std::thread::spawn(move || lines.for_each(drop));
    while !ask(&address, "GET", "/readyz", "").contains(" 200 ") {}
    println!("start to /readyz: {:.0?}", began.elapsed());
    let process = PathBuf::from(format!("/proc/{}/status", daemon.0.id()));
    let read = || status(&fs::read_to_string(&process).unwrap_or_default());
    // It is answered after the collection that runs.
    let answer = ask(&address, "POST", "/api/v1/collect", "{}");
    let said = answer.lines().find(|line| line.contains("done"));
    println!("{}", said.unwrap_or("it did not end"));
    println!(
        "{}",
        ask(&address, "GET", "/api/v1/collections", "")
            .lines()
            .last()
            .unwrap_or_default()
    );
    println!(
        "memory of serve: {} MiB, {} MiB at most",
        read().0 >> 20,
        read().1 >> 20
    );
}

/// One that does not outlive the benchmark.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: larder\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}
