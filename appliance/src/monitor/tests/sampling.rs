//! The sampler with real threads, and with files that hang.

use std::{
    fs,
    io::Write as _,
    path::Path,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::{
    clock::{Clock, Timestamp},
    monitor::{
        Board, Round, Sampler, Settings, SharedBoard, Sheet,
        figures::{Buffers, Figures, House, Traffic},
        probe::{Group, Probe, host, mirror},
    },
    rule::{Metric, Samples as _, Series},
};

/// Nothing takes so long on the slowest machine.
const FOREVER: Duration = Duration::from_secs(60);

struct Bed {
    sampler: Option<Sampler>,
    board: SharedBoard,
    rounds: mpsc::Receiver<Round>,
}

impl Bed {
    fn start(interval: Duration, probes: Vec<Box<dyn Probe>>) -> Self {
        let board = SharedBoard::default();
        let clock = Clock::starting_at(Duration::from_secs(1_800_000_000));
        let (done, rounds) = mpsc::channel();
        let settings = Settings { interval, clock };
        let tell = move |round: &Round| drop(done.send(round.clone()));
        let sampler = Sampler::start(&settings, probes, &board, tell).expect("started");
        Self {
            sampler: Some(sampler),
            board,
            rounds,
        }
    }

    /// The next round for which something holds.
    fn until(&self, mut holds: impl FnMut(&Round) -> bool) -> Round {
        let began = Instant::now();
        loop {
            let round = self.rounds.recv_timeout(FOREVER).expect("a round");
            if holds(&round) {
                return round;
            }
            assert!(began.elapsed() < FOREVER, "{round:?}");
        }
    }

    fn last(&self, metric: Metric, of: &str) -> Option<f64> {
        self.board.lock().last(&Series::of(metric, of), FOREVER)
    }
}

/// Counts how often it was asked.
struct Counting {
    group: Group,
    looks: u64,
}

impl Probe for Counting {
    fn group(&self) -> Group {
        self.group
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        self.looks += 1;
        sheet.gauge(Metric::Load, self.group.name(), self.looks as f64);
    }
}

fn counting(group: Group) -> Box<dyn Probe> {
    Box::new(Counting { group, looks: 0 })
}

fn is_out(round: &Round, group: Group) -> bool {
    round
        .out
        .iter()
        .any(|(out, since)| *out == group && !since.is_zero())
}

#[test]
fn each_group_is_read_at_its_own_pace() {
    let mut bed = Bed::start(
        Duration::from_millis(20),
        vec![counting(Group::Cpu), counting(Group::Temperature)],
    );
    let tenth = bed.until(|round| round.number == 10);
    assert!(tenth.elapsed.since_start >= Duration::from_millis(9 * 20));
    drop(bed.sampler.take());
    let rounds = bed.rounds.iter().last().map_or(10, |round| round.number);
    // Rounds 1, 4, 7 and so on; those that were out at the time went without one.
    let looks = bed.last(Metric::Load, "sensors").expect("read");
    let most = rounds.div_ceil(3) as f64;
    assert!((1.0..=most).contains(&looks), "{looks} in {rounds} rounds");
    assert!(bed.last(Metric::Load, "cpu").is_some_and(|looks| looks >= 10.0));
    assert_eq!(bed.last(Metric::Blind, "cpu.load"), Some(0.0));
    assert_eq!(bed.last(Metric::Blind, "sensors"), Some(0.0));
}

#[test]
fn the_house_is_read_with_the_host() {
    struct Busy;
    impl House for Busy {
        fn figures(&self) -> Figures {
            Figures {
                traffic: Traffic {
                    filling: 3,
                    ..Traffic::default()
                },
                buffers: Buffers {
                    capacity: 100,
                    in_use: 25,
                },
                ..Figures::default()
            }
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut probes = host(Path::new("/"), folder.path());
    probes.push(mirror(Path::new("/"), Arc::new(Busy)));
    let bed = Bed::start(Duration::from_millis(50), probes);
    bed.until(|_| {
        bed.last(Metric::BufferUsed, "").is_some() && bed.last(Metric::DiskBytesUsed, "").is_some()
    });
    assert_eq!(bed.last(Metric::BufferUsed, ""), Some(0.25));
    assert_eq!(bed.last(Metric::Filling, ""), Some(3.0));
    assert_eq!(
        bed.last(Metric::BufferLeaked, ""),
        Some(0.0),
        "something is in flight"
    );
    assert!(bed.last(Metric::ProcessMemory, "serve").is_some());
}

/// A tree in which one file does not answer.
fn hanging_tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    let root = tree.path();
    fs::create_dir_all(root.join("proc")).expect("made");
    fs::write(root.join("proc/loadavg"), "0.5 0 0\n").expect("written");
    fs::create_dir_all(root.join("sys/class/net/eth0")).expect("made");
    let pipe = root.join("sys/class/net/eth0/operstate");
    mknodat(CWD, pipe.as_path(), FileType::Fifo, Mode::RWXU, 0).expect("a pipe");
    tree
}

/// Whoever waits for the file is answered, and the next one finds a plain one.
fn release(tree: &Path) {
    let file = tree.join("sys/class/net/eth0/operstate");
    let held = tree.join("held");
    fs::rename(&file, &held).expect("moved");
    fs::write(&file, "up\n").expect("written");
    // For reading too: so it opens also when nobody has come to it.
    let both = fs::File::options().read(true).write(true).open(&held);
    both.and_then(|mut pipe| pipe.write_all(b"down\n"))
        .expect("written");
}

#[test]
fn a_file_that_hangs_stops_nothing_else_and_shows() {
    let tree = hanging_tree();
    let bed = Bed::start(Duration::from_millis(10), host(tree.path(), tree.path()));
    let hangs = bed.until(|round| is_out(round, Group::Network) && round.number > 3);
    // All others go on, and it is not asked again.
    let points = |bed: &Bed| {
        let board = bed.board.lock();
        board.points(&Series::alone(Metric::Load), Timestamp(0)).len()
    };
    let before = points(&bed);
    let later = bed.until(|round| round.number >= hangs.number + 20);
    assert!(points(&bed) >= before + 19, "{before}");
    assert!(bed.last(Metric::DiskBytesUsed, "").is_some());
    assert!(is_out(&later, Group::Network) && !is_out(&later, Group::Devices));
    assert!(
        bed.last(Metric::Blind, "network")
            .is_some_and(|blind| blind > 0.0)
    );
    assert_eq!(bed.last(Metric::LinkUp, "eth0"), None, "nothing is made up");

    release(tree.path());
    bed.until(|_| bed.last(Metric::LinkUp, "eth0") == Some(1.0));
    bed.until(|round| !is_out(round, Group::Network));
    bed.until(|_| bed.last(Metric::Blind, "network") == Some(0.0));
}

#[test]
fn what_hangs_is_left_behind_at_the_end() {
    let tree = hanging_tree();
    let mut bed = Bed::start(Duration::from_millis(10), host(tree.path(), tree.path()));
    bed.until(|round| is_out(round, Group::Network));
    let began = Instant::now();
    drop(bed.sampler.take());
    assert!(began.elapsed() < FOREVER / 2, "it waits for nobody who hangs");
    assert!(bed.rounds.iter().count() < 1000, "and there are no more rounds");
    release(tree.path());
}

#[test]
fn what_takes_too_long_is_of_no_known_time() {
    /// A counter whose reading takes most of the interval, as on a box without memory.
    struct Slow(u64);
    impl Probe for Slow {
        fn group(&self) -> Group {
            Group::Memory
        }

        fn read(&mut self, at: Duration, sheet: &mut Sheet) {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
            self.0 += 1000;
            sheet.counter(Metric::Requests, "", self.0);
            sheet.gauge(Metric::Load, "", at.as_secs_f64());
        }
    }
    let bed = Bed::start(Duration::from_millis(40), vec![Box::new(Slow(0))]);
    bed.until(|round| round.number == 5);
    assert_eq!(bed.last(Metric::Requests, ""), None);
    assert!(bed.last(Metric::Load, "").is_some());
    assert!(Board::dropped(&bed.board.lock()).any(|(metric, reason, count)| {
        metric == Metric::Requests && reason == crate::monitor::Implausible::Stalled && count >= 3
    }));
}
