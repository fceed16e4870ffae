//! Looking again and again: one thread that keeps the time, and one for each group that may have to wait.
//!
//! ```text
//! sampler ── every interval ──▶ prompt groups ──▶ board ──┐
//!    └──── go ──▶ a thread per slow group ──▶ board ──────┼──▶ the round is done (or its patience is)
//! ```
//!
//! Threads, and not tasks: they go on when the runtime is stuck. Promises: memory is taken at the start; a group that
//! hangs stops no other, is not asked again until it is back, and is told with each round; a round that comes late is
//! not made up for; the board is locked for as long as it takes to put a sheet on it. Must not know: what is read, what
//! follows from it.

use std::{
    fmt, io,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use heapless::Vec as Few;
use parking_lot::Mutex;

use super::{
    Board, Elapsed, Sheet,
    desk::{Desk, Place},
    probe::{Group, Patience, Probe},
};
use crate::{
    clock::{Clock, Timestamp},
    rule::Metric,
};

/// Slow groups.
pub(super) const GROUPS: usize = 8;
/// Readings of a look.
const SHEET: usize = 160;
/// Of a thread. A probe needs a tenth of it.
const STACK: usize = 256 << 10;
/// A round waits for slow groups for at most this part of the interval.
const PATIENCE: u32 = 4;
/// Between two tidyings of the board.
const TIDY: Duration = Duration::from_secs(300);

/// The board, and who looks at it.
pub type SharedBoard = Arc<Mutex<Board>>;

/// A round that is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// From 1.
    pub number: u64,
    pub at: Timestamp,
    /// On a clock that nobody sets.
    pub elapsed: Elapsed,
    /// The groups that may have to wait, and for how long each has not been back; zero: it is.
    pub out: Few<(Group, Duration), GROUPS>,
}

/// How to sample.
#[derive(Clone, Debug)]
pub struct Settings {
    pub interval: Duration,
    pub clock: Clock,
}

/// The sampler. It ends when it is dropped; a thread that hangs is left behind.
pub struct Sampler {
    desk: Arc<Desk>,
    keeper: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Begins. `done` is called after each round, on the sampler's own thread: as long as it takes, nothing is read.
    pub fn start(
        settings: &Settings,
        probes: Vec<Box<dyn Probe>>,
        board: &SharedBoard,
        done: impl FnMut(&Round) + Send + 'static,
    ) -> io::Result<Self> {
        let began = Instant::now();
        let (slow, prompt): (Vec<_>, Vec<_>) = probes
            .into_iter()
            .partition(|probe| probe.group().patience() == Patience::Waits);
        let desk = Arc::new(Desk::new(slow.iter().map(|probe| probe.group())));
        // From here on, what cannot be started ends what has been.
        let mut sampler = Self {
            desk: desk.clone(),
            keeper: None,
        };
        for (probe, place) in slow.into_iter().zip(desk.places()) {
            let (desk, look) = (desk.clone(), Look::new(board, &settings.clock, began));
            let name = format!("probe-{}", probe.group().name());
            Builder::new()
                .name(name)
                .stack_size(STACK)
                .spawn(move || wait_and_read(&desk, place, probe, look))?;
        }
        let keeper = Keeper {
            look: Look::new(board, &settings.clock, began),
            interval: settings.interval,
            desk,
            prompt,
            tidied: began,
        };
        let builder = Builder::new().name("sampler".to_owned()).stack_size(STACK);
        sampler.keeper = Some(builder.spawn(move || keeper.run(done))?);
        Ok(sampler)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.desk.close();
        if let Some(keeper) = self.keeper.take() {
            // A panic has been told already.
            let _ = keeper.join();
        }
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sampler({:?})", self.desk)
    }
}

/// What it takes to look.
struct Look {
    board: SharedBoard,
    clock: Clock,
    began: Instant,
    sheet: Sheet,
}

impl Look {
    fn new(board: &SharedBoard, clock: &Clock, began: Instant) -> Self {
        Self {
            board: board.clone(),
            clock: clock.clone(),
            began,
            sheet: Sheet::new(SHEET),
        }
    }

    /// Has a probe read, and puts what it has read on the board.
    fn at(&mut self, probe: &mut dyn Probe) {
        let since_start = self.began.elapsed();
        self.sheet.clear();
        probe.read(since_start, &mut self.sheet);
        let took = self.began.elapsed().saturating_sub(since_start);
        self.post(Elapsed { since_start, took });
    }

    fn post(&self, at: Elapsed) {
        let now = self.clock.now();
        self.board.lock().take(self.sheet.readings(), at, now);
    }
}

fn wait_and_read(desk: &Desk, place: Place, mut probe: Box<dyn Probe>, mut look: Look) {
    while desk.wait_for_turn(place, || look.began.elapsed()) {
        look.at(&mut *probe);
        desk.back(place);
    }
}

/// Keeps the time.
struct Keeper {
    look: Look,
    interval: Duration,
    desk: Arc<Desk>,
    prompt: Vec<Box<dyn Probe>>,
    tidied: Instant,
}

impl Keeper {
    fn run(mut self, mut done: impl FnMut(&Round)) {
        let mut due = Instant::now();
        for number in 1.. {
            let round = self.round(number);
            done(&round);
            // What was missed is over: rounds in a burst would all tell the same.
            due = (due + self.interval).max(Instant::now());
            if !self.desk.sleep_until(due) {
                return;
            }
        }
    }

    fn round(&mut self, number: u64) -> Round {
        let since_start = self.look.began.elapsed();
        self.desk.send_out(number);
        for probe in &mut self.prompt {
            if probe.group().is_due(number) {
                self.look.at(&mut **probe);
            }
        }
        self.desk.wait_for_all(Instant::now() + self.interval / PATIENCE);
        let now = self.look.began.elapsed();
        let out = self.desk.out(now);
        self.tell_of_itself(&out, now);
        Round {
            number,
            at: self.look.clock.now(),
            elapsed: Elapsed {
                since_start,
                took: now.saturating_sub(since_start),
            },
            out,
        }
    }

    /// What was dropped, of what there is nothing that can be believed, and who does not come back.
    fn tell_of_itself(&mut self, out: &[(Group, Duration)], since_start: Duration) {
        let now = self.look.clock.now();
        let sheet = &mut self.look.sheet;
        sheet.clear();
        let mut board = self.look.board.lock();
        let dropped = board.dropped().map(|(_, _, count)| count).sum();
        sheet.counter(Metric::Dropped, "", dropped);
        // Of all of them, so that it is seen when it is over.
        for (metric, blind) in board.sight(now) {
            sheet.gauge(Metric::Blind, metric.name(), blind.as_secs_f64());
        }
        for (group, since) in out {
            sheet.gauge(Metric::Blind, group.name(), since.as_secs_f64());
        }
        let at = Elapsed {
            since_start,
            took: Duration::ZERO,
        };
        board.take(sheet.readings(), at, now);
        if self.tidied.elapsed() >= TIDY {
            self.tidied = Instant::now();
            board.tidy();
        }
    }
}
