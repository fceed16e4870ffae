//! Says and writes down what happens, on a thread of its own: the log, the disk and a worker that is to be killed may
//! keep it waiting, and the guard must not.
//!
//! Promises: whoever tells it something waits for as long as he wants to, and no longer; what it could not take is not
//! done. Must not know: when anything is so.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::Builder,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{Footing, Manager, Memory, Reset, Silence, Step, What};
use crate::clock::Clock;

/// How often the footing is looked at when nothing happens: resets are forgotten with time.
const LOOK: Duration = Duration::from_secs(60);
/// Steps that wait.
const WAITING: usize = 32;
const STACK: usize = 256 << 10;

/// What it can do.
pub struct Chores {
    pub clock: Clock,
    pub memory: Memory,
    pub manager: Option<Arc<Manager>>,
    /// Kills the worker, if there is one.
    pub kill_worker: Box<dyn FnMut() + Send>,
    /// Told when the box stands otherwise than before.
    pub stands: Box<dyn FnMut(Footing) + Send>,
    /// Ends the process at once when its orderly end has come to nothing.
    pub last_resort: Box<dyn FnMut() + Send>,
}

/// What there is to tell of the past.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    pub footing: Footing,
    pub resets: Vec<Reset>,
}

/// The way to the scribe. Clones lead to the same one.
#[derive(Clone, Debug)]
pub struct Scribe {
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    footing: AtomicU8,
    past: Mutex<Past>,
    /// Whether a restart was written down.
    written: (Mutex<Written>, Condvar),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Written {
    #[default]
    NotYet,
    Yes,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Step(Step),
    /// This boot was a watchdog's doing.
    Machine,
    /// The manager is to hear how it goes.
    Status,
}

impl Scribe {
    /// Begins. `boot` is this boot's name.
    pub fn start(chores: Chores, boot: String) -> io::Result<Self> {
        let (orders, incoming) = sync_channel(WAITING);
        let shared = Arc::<Shared>::default();
        let mut desk = Desk {
            chores,
            boot,
            shared: shared.clone(),
        };
        desk.weigh();
        Builder::new()
            .name("watchdog-scribe".to_owned())
            .stack_size(STACK)
            .spawn(move || desk.keep(&incoming))?;
        Ok(Self { orders, shared })
    }

    /// How the box stands.
    pub fn footing(&self) -> Footing {
        match self.shared.footing.load(Relaxed) {
            0 => Footing::Firm,
            _ => Footing::Safe,
        }
    }

    pub fn past(&self) -> Past {
        self.shared.past.lock().clone()
    }

    /// Has it do what belongs to a step, but for the end of the process.
    pub fn tell(&self, step: Step) {
        // A scribe that hangs helps nobody.
        let _ = self.orders.try_send(Order::Step(step));
    }

    /// The device says that this boot was a watchdog's doing.
    pub fn machine_was_reset(&self) {
        let _ = self.orders.try_send(Order::Machine);
    }

    /// Tells the manager how it goes.
    pub fn status(&self) {
        let _ = self.orders.try_send(Order::Status);
    }

    /// Waits until a restart was written down, but not for longer than this.
    pub fn wait_until_written(&self, patience: Duration) {
        let (written, told) = &self.shared.written;
        let mut written = written.lock();
        if *written == Written::NotYet {
            told.wait_for(&mut written, patience);
        }
    }
}

/// The thread's state.
struct Desk {
    chores: Chores,
    boot: String,
    shared: Arc<Shared>,
}

/// How long an orderly end may take once it was written down.
const ENDING: Duration = Duration::from_secs(3);

impl Desk {
    fn keep(mut self, incoming: &Receiver<Order>) {
        loop {
            match incoming.recv_timeout(LOOK) {
                Ok(Order::Step(step)) => self.follow(step),
                Ok(Order::Machine) => self.machine(),
                Ok(Order::Status) => self.status(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.weigh();
        }
    }

    fn follow(&mut self, step: Step) {
        let history = &mut self.chores.memory.history;
        match step {
            Step::Tell(silence) => {
                say(silence, "a part makes no progress");
                history.note(silence.into());
            }
            Step::KillWorker(silence) => {
                say(silence, "a part makes no progress: its worker is killed");
                history.note(silence.into());
                (self.chores.kill_worker)();
            }
            Step::GiveUp(silence) => {
                say(
                    silence,
                    "a part makes no progress, without its worker either: it is left alone",
                );
                history.note(silence.into());
            }
            Step::Recovered(part) => {
                tracing::info!(%part, "a part makes progress again");
                history.forget(part.name());
            }
            Step::Restart(silence) => {
                say(
                    silence,
                    "a part makes no progress: the process ends, to be started anew",
                );
                history.note(silence.into());
            }
        }
        self.status();
        if let Step::Restart(silence) = step {
            let now = self.chores.clock.now();
            self.chores.memory.history.process(now, silence.into());
        }
        self.write();
        if let Step::Restart(_) = step {
            let (written, told) = &self.shared.written;
            *written.lock() = Written::Yes;
            told.notify_all();
            std::thread::sleep(ENDING);
            (self.chores.last_resort)();
        }
    }

    fn machine(&mut self) {
        if !self
            .chores
            .memory
            .history
            .machine(&self.boot, self.chores.clock.now())
        {
            return;
        }
        if let Some(last) = self.chores.memory.history().resets().last() {
            tracing::error!(late = ?last.late, "the machine was reset by its watchdog");
        }
        self.write();
    }

    fn write(&mut self) {
        let memory = &mut self.chores.memory;
        if let Err(error) = memory.write() {
            tracing::warn!(file = %memory.path().display(), %error, "what the watchdog did is not written down");
        }
    }

    fn status(&self) {
        let Some(manager) = &self.chores.manager else {
            return;
        };
        let history = self.chores.memory.history();
        match (history.late().last(), history.footing(self.chores.clock.now())) {
            (Some(late), _) => {
                manager.status(&format!("{} makes no progress for {} s", late.part, late.seconds));
            }
            (None, Footing::Safe) => manager.status("safe mode: serving, and nothing else"),
            (None, Footing::Firm) => manager.status("serving"),
        }
    }

    /// Finds out how the box stands now.
    fn weigh(&mut self) {
        let history = self.chores.memory.history();
        let past = Past {
            footing: history.footing(self.chores.clock.now()),
            resets: history.resets().to_vec(),
        };
        let before = std::mem::replace(&mut *self.shared.past.lock(), past.clone());
        self.shared
            .footing
            .store(u8::from(past.footing == Footing::Safe), Relaxed);
        if past.footing == before.footing {
            return;
        }
        match past.footing {
            Footing::Safe => {
                let resets = past.resets.len();
                tracing::error!(
                    resets,
                    "safe mode: after so many resets the box serves, and does nothing else"
                );
            }
            Footing::Firm => tracing::info!("safe mode is over"),
        }
        self.status();
        (self.chores.stands)(past.footing);
    }
}

fn say(silence: Silence, what: &str) {
    let Silence { part, lasts } = silence;
    tracing::error!(%part, seconds = lasts.as_secs(), "{what}");
}

/// A reset, in words.
impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.what {
            What::Process => "the process was started anew",
            What::Machine => "the machine was reset",
        };
        f.write_str(what)?;
        for (n, late) in self.late.iter().enumerate() {
            let between = if n == 0 { ": " } else { ", " };
            write!(
                f,
                "{between}{} made no progress for {} s",
                late.part, late.seconds
            )?;
        }
        Ok(())
    }
}
