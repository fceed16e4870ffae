//! A thread outside of the runtime that looks again and again.
//!
//! Promises: it waits for nobody but the clock, locks nothing that others hold for long, and takes no memory after the
//! start; as long as nothing asks for a restart it feeds whoever would restart a box that hangs. Must not know: how
//! anything is done.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{Circumstances, Footing, Judge, Ladder, Part, Step};
use crate::heartbeat::Beat;

/// Between two looks.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// Of the thread: it does little, and what it calls as well.
const STACK: usize = 256 << 10;

/// What a guard can do. Called on its thread: must return soon, and take no memory for [`Acts::feed`].
pub trait Acts: Send + 'static {
    /// How the box stands now.
    fn footing(&mut self) -> Footing;

    /// Does what is to be done. A restart need not return.
    fn act(&mut self, step: Step);

    /// All is as well as it can be: called with each look.
    fn feed(&mut self);

    /// The end is in order.
    fn release(&mut self);
}

/// How long each part has been silent, for whoever wants to know.
#[derive(Debug, Default)]
pub struct Standing([AtomicU64; Part::ALL.len()]);

impl Standing {
    /// How long a part has made no progress though it has something to do.
    pub fn silence(&self, part: Part) -> Duration {
        Duration::from_millis(self.0[part.place()].load(Relaxed))
    }

    /// Those that are late.
    pub fn late(&self) -> impl Iterator<Item = (Part, Duration)> {
        let silences = Part::ALL.into_iter().map(|part| (part, self.silence(part)));
        silences.filter(|(part, lasts)| *lasts >= part.deadline())
    }

    fn note(&self, part: Part, lasts: Duration) {
        let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
        self.0[part.place()].store(lasts, Relaxed);
    }
}

/// The guard. It ends, in order, when it is dropped.
pub struct Guard {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    woken: Condvar,
    standing: Arc<Standing>,
}

#[derive(Default)]
struct Desk {
    judge: Judge,
    ended: Ended,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Ended {
    #[default]
    No,
    Yes,
}

impl Guard {
    /// Begins to look, and to feed.
    pub fn start(acts: impl Acts) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let looking = shared.clone();
        let thread = Builder::new()
            .name("watchdog".to_owned())
            .stack_size(STACK)
            .spawn(move || looking.keep_looking(acts))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// From now on this part is watched, by this beat.
    pub fn watch(&self, part: Part, beat: Beat) {
        self.shared.desk.lock().judge.watch(part, beat);
    }

    /// This part is not watched any more.
    pub fn leave(&self, part: Part) {
        self.shared.desk.lock().judge.leave(part);
        self.shared.standing.note(part, Duration::ZERO);
    }

    pub fn standing(&self) -> Arc<Standing> {
        self.shared.standing.clone()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.desk.lock().ended = Ended::Yes;
        self.shared.woken.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic has been told already.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({:?})", self.shared.standing)
    }
}

impl Shared {
    fn keep_looking(&self, mut acts: impl Acts) {
        let began = Instant::now();
        let mut ladder = Ladder::default();
        loop {
            let uptime = began.elapsed();
            let circumstances = Circumstances {
                footing: acts.footing(),
                uptime,
            };
            let steps = self.look(&mut ladder, circumstances);
            for step in steps.into_iter().flatten() {
                acts.act(step);
                if let Step::Restart(_) = step {
                    // Nobody is fed any more: what cannot be ended is reset.
                    return;
                }
            }
            acts.feed();
            if !self.sleep() {
                acts.release();
                return;
            }
        }
    }

    fn look(&self, ladder: &mut Ladder, circumstances: Circumstances) -> [Option<Step>; Part::ALL.len()] {
        let mut steps = [None; Part::ALL.len()];
        let mut desk = self.desk.lock();
        for silence in desk.judge.look(circumstances.uptime) {
            self.standing.note(silence.part, silence.lasts);
            steps[silence.part.place()] = ladder.climb(silence, circumstances);
        }
        steps
    }

    /// Until the next look. Whether there is one.
    fn sleep(&self) -> bool {
        let mut desk = self.desk.lock();
        if desk.ended == Ended::No {
            self.woken.wait_for(&mut desk, EVERY);
        }
        desk.ended == Ended::No
    }
}
