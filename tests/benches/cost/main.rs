//! What it costs that the box looks after itself: the real mirror with and without it, side by side.
//!
//! ```text
//! cargo build --release -p appliance && cargo bench -p tests --bench cost [-- SECONDS [INTERVAL]]
//! ```
//!
//! Two daemons with as many registries as are built in, the same requests at the same time to both: a first
//! half in which nobody asks, and a second one with some pulls a second. They differ in `monitor.interval` alone: `off`,
//! and INTERVAL (else `10s`). SECONDS (else 180) are counted from when both have settled. The kernel counts processor time
//! in hundredths of a second: 180 s tell 0.006 % of a core apart. With a shorter INTERVAL a round is measured more often,
//! and what it would cost at the default is told as well; memory is then what a longer run would take, as the last hour of
//! samples is kept by their number.
//!
//! | variable | default | what |
//! |---|---|---|
//! | `LARDER_BIN` | the binary beside this one | the binary under test |

use std::time::{Duration, Instant};

use tests::{
    client,
    images::{Blob, noise},
    larder::{Config, Entry, Larder},
    measure::{Check, Family, Table, load},
    upstream::{Settings, Upstream},
};

const REPOSITORY: &str = "bench/app";
const UPSTREAM: &str = "registry.test";
/// As long as a recovery and the first rounds take.
const SETTLING: Duration = Duration::from_secs(15);
/// Requests a second to each, in the second half: of four, one is for what is not here yet.
const RATE: u64 = 8;
const SIZE: usize = 64 << 10;
/// The default of `monitor.interval`, in seconds.
const DEFAULT: f64 = 10.0;

/// What `/proc` tells of a daemon and its worker.
#[derive(Clone, Copy)]
struct Figures {
    cpu: Duration,
    rss: u64,
    pss: u64,
    anonymous: u64,
    threads: u64,
    written: u64,
}

impl Figures {
    fn of(larder: &Larder) -> Self {
        let family = Family::of(larder.process().id());
        Self {
            cpu: family.cpu(),
            rss: family.rss(),
            pss: family.pss(),
            anonymous: family.anonymous(),
            threads: family.threads(),
            written: family.written(),
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let seconds = words
        .first()
        .map_or(180, |word| word.parse().unwrap_or_else(|e| panic!("{word}: {e}")));
    let interval = words.get(1).cloned().unwrap_or_else(|| "10s".to_owned());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    println!("# What looking after itself costs ({})\n", load());
    runtime.block_on(measure(Duration::from_secs(seconds), &interval));
}

fn config(upstream: &Upstream, interval: &str) -> Config {
    let config = Config::new().upstream(Entry::new(UPSTREAM, &[upstream.url()]));
    // As many as are built in.
    let config = (1..5).fold(config, |config, number| {
        config.upstream(Entry::new(&format!("r{number}.test"), &[upstream.url()]))
    });
    config
        .set("default_upstream", &format!("{UPSTREAM:?}"))
        .set("monitor.interval", &format!("{interval:?}"))
}

async fn measure(lasts: Duration, interval: &str) {
    let upstream = Settings::default().start().await;
    let warm = put(&upstream, 0);
    let with = Larder::start(config(&upstream, interval)).await;
    let without = Larder::start(config(&upstream, "off")).await;
    for larder in [&with, &without] {
        ask(larder, &warm).await;
    }
    tokio::time::sleep(SETTLING).await;
    let both = || [Figures::of(&with), Figures::of(&without)];
    let (start, began) = (both(), Instant::now());
    tokio::time::sleep(lasts / 2).await;
    let (half, idle) = (both(), began.elapsed());
    let mut pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(RATE).expect("small"));
    for number in 1.. {
        pace.tick().await;
        if began.elapsed() >= lasts {
            break;
        }
        let path = if number % 4 == 0 {
            put(&upstream, number)
        } else {
            warm.clone()
        };
        tokio::join!(ask(&with, &path), ask(&without, &path));
    }
    let (end, all) = (both(), began.elapsed());
    report(interval, &with, [start, half, end], [idle, all - idle]).await;
}

fn put(upstream: &Upstream, number: u64) -> String {
    let blob = Blob::new("application/octet-stream", noise(number, SIZE));
    upstream.content().push_blob(REPOSITORY, &blob);
    format!("/v2/{REPOSITORY}/blobs/{}", blob.digest)
}

async fn ask(larder: &Larder, path: &str) {
    let answer = client::get(larder.address(), path).await.expect("answered");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn report(
    interval: &str,
    with: &Larder,
    [start, half, end]: [[Figures; 2]; 3],
    [idle, busy]: [Duration; 2],
) {
    let all = idle + busy;
    let mut table = Table::new(["", "with", "without", "difference"]);
    let mut row = |what: String, figure: &dyn Fn(usize) -> f64, digits: usize| {
        let [a, b] = [figure(0), figure(1)];
        table.row([
            what,
            format!("{a:.digits$}"),
            format!("{b:.digits$}"),
            format!("{:.digits$}", a - b),
        ]);
        a - b
    };
    let share = |from: &[Figures; 2], to: &[Figures; 2], of: Duration, which: usize| {
        (to[which].cpu - from[which].cpu).as_secs_f64() / of.as_secs_f64() * 100.0
    };
    row(
        format!("CPU, idle for {:.0} s, % of a core", idle.as_secs_f64()),
        &|which| share(&start, &half, idle, which),
        3,
    );
    row(
        format!("CPU, {RATE} requests a second for {:.0} s, %", busy.as_secs_f64()),
        &|which| share(&half, &end, busy, which),
        3,
    );
    let cpu = row(
        "CPU, all, % of a core".to_owned(),
        &|w| share(&start, &end, all, w),
        3,
    );
    let rss = row("memory, RSS, MiB".to_owned(), &|which| mib(end[which].rss), 2);
    row("memory, PSS, MiB".to_owned(), &|which| mib(end[which].pss), 2);
    row(
        "memory, anonymous, MiB".to_owned(),
        &|which| mib(end[which].anonymous),
        2,
    );
    row("threads".to_owned(), &|which| end[which].threads as f64, 0);
    let hours = all.as_secs_f64() / 3600.0;
    let written = |which: usize| mib(end[which].written - start[which].written) / hours;
    row("written to the disk, MiB an hour".to_owned(), &written, 2);
    println!("{table}");
    let seconds = with.metrics().await.sum("larder_monitor_interval_seconds");
    let scaled = cpu * seconds / DEFAULT;
    println!(
        "sampled every {interval}; at {DEFAULT} s, the processor's share scales to {scaled:.3} % of a core\n"
    );
    println!(
        "{}",
        Check::at_most("CPU of looking after itself, % of a core, at 10 s", scaled, 0.5)
    );
    println!(
        "{}",
        Check::at_most("memory of looking after itself, MiB (RSS)", rss, 6.0)
    );
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
