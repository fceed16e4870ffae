//! What watching costs: `cargo bench -p appliance --bench monitor -- [ROUNDS]`.
//!
//! Two processes of this program side by side: one that does nothing, and one that samples this machine and a mirror of
//! twelve upstreams, keeps a full board, and writes history to a database. A round is made every 20 ms and stands for one
//! of 10 s, also on the clock, so that a minute and ten minutes come as often as they do.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use larder::{
    cache::{Disk, SmallDatabase},
    clock::{Clock, Timestamp},
    monitor::{
        Round, Sampler, Settings, SharedBoard,
        figures::{Buffers, Figures, House, Line, Shown, Traffic, UpstreamFigures},
        history::{Archive, Gatherer, Limits, RedbShelf},
        probe,
    },
};
use rustix::time::{ClockId, clock_gettime};

/// What a round stands for.
const INTERVAL: Duration = Duration::from_secs(10);
/// As long as a ring is.
const WARM: u64 = 400;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let rounds = |text: Option<&String>| text.and_then(|text| text.parse().ok()).unwrap_or(1200);
    match arguments.first().map(String::as_str) {
        Some("idle") => idle(),
        Some("watching") => watching(rounds(arguments.get(1))),
        other => both(rounds(other.map(ToOwned::to_owned).as_ref())),
    }
}

/// Memory in KiB, as the kernel tells it.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(what))
        .expect("a line");
    let number = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    number.parse().expect("a number")
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().expect("positive"),
        time.tv_nsec.try_into().expect("positive"),
    )
}

fn tell(rounds: u64, cpu: Duration, longest: Duration) {
    let (all, own) = (memory("VmRSS"), memory("RssAnon"));
    println!("{all} {own} {rounds} {} {}", cpu.as_nanos(), longest.as_micros());
    std::io::stdout().flush().expect("told");
}

fn idle() {
    tell(1, Duration::ZERO, Duration::ZERO);
    let _ = std::io::stdin().lines().next();
}

struct Mirror;

impl House for Mirror {
    fn figures(&self) -> Figures {
        let upstream = |number| UpstreamFigures {
            name: format!("registry-{number}.example"),
            shown: Shown::Works,
            latency: Some(Duration::from_millis(80 + number)),
            faults: number,
            left: Some((76, 100)),
        };
        Figures {
            traffic: Traffic {
                hits: fastrand::u64(..1 << 40),
                ..Traffic::default()
            },
            buffers: Buffers {
                capacity: 32 << 20,
                in_use: 1 << 20,
            },
            line: Line {
                wan: Shown::Works,
                names: Shown::Works,
                ipv4: Shown::Works,
                ipv6: Shown::Works,
            },
            upstreams: (0..12).map(upstream).collect(),
            ..Figures::default()
        }
    }
}

fn watching(rounds: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = SmallDatabase::new(folder.path().join("state.redb"), Disk::real());
    let shelf = RedbShelf::new(database);
    let mut archive = Archive::open(shelf, Limits::of_disk(8 << 30)).expect("opened");
    let clock = Clock::system();
    let board = SharedBoard::default();
    let mut probes = probe::host(Path::new("/"), folder.path());
    probes.push(probe::mirror(Path::new("/"), Arc::new(Mirror)));
    let (sealed, incoming) = mpsc::sync_channel(4);
    let (done, round) = mpsc::sync_channel(4);
    let mut gatherer = Gatherer::default();
    let (its_clock, its_board) = (clock.clone(), board.clone());
    let sampler = Sampler::start(
        &Settings {
            interval: Duration::from_millis(20),
            clock: clock.clone(),
        },
        probes,
        &board,
        move |round: &Round| {
            let ten_minutes = gatherer.gather(&its_board.lock(), its_clock.now());
            if let Some(ten_minutes) = ten_minutes {
                let _ = sealed.send(ten_minutes);
            }
            its_clock.not_before(Timestamp(its_clock.now().0 + INTERVAL.as_secs()));
            let _ = done.send((round.number, round.elapsed.took));
        },
    )
    .expect("started");
    let mut began = Duration::ZERO;
    let mut longest = Duration::ZERO;
    loop {
        let (number, took) = round.recv().expect("a round");
        while let Ok(ten_minutes) = incoming.try_recv() {
            archive.keep(ten_minutes, clock.now()).expect("kept");
        }
        if number == WARM {
            began = cpu();
        } else if number > WARM {
            longest = longest.max(took);
        }
        if number == WARM + rounds {
            tell(rounds, cpu() - began, longest);
            break;
        }
    }
    let _ = std::io::stdin().lines().next();
    drop(round);
    drop(sampler);
}

/// Starts one of them, and reads what it tells.
fn start(what: &str, rounds: u64) -> (Child, Vec<u64>) {
    let mut child = Command::new(std::env::current_exe().expect("a program"))
        .args([what, &rounds.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    let output = child.stdout.take().expect("an output");
    BufReader::new(output).read_line(&mut line).expect("told");
    let told = line
        .split_whitespace()
        .map(|field| field.parse().expect("a number"));
    (child, told.collect())
}

fn both(rounds: u64) {
    let began = Instant::now();
    let (idle, without) = start("idle", rounds);
    let (watching, with) = start("watching", rounds);
    for mut child in [idle, watching] {
        drop(child.stdin.take());
        let _ = child.wait();
    }
    let per_round = Duration::from_nanos(with[3] / with[2]);
    let part = per_round.as_secs_f64() / INTERVAL.as_secs_f64() * 100.0;
    let mebibytes = |place: usize| (with[place] as f64 - without[place] as f64) / 1024.0;
    println!(
        "{} rounds in {:.0} s, the longest {} us",
        with[2],
        began.elapsed().as_secs_f64(),
        with[4]
    );
    println!("CPU: {per_round:.2?} a round, {part:.4} % of a core at an interval of 10 s (at most 0.5 %)");
    println!(
        "memory: {:.2} MiB more than without it, {:.2} MiB of it anonymous (at most 6 MiB)",
        mebibytes(0),
        mebibytes(1)
    );
    assert!(part <= 0.5 && mebibytes(0) <= 6.0, "it costs too much");
}
