//! The watchdog of this box: who is watched, and what it can do.
//!
//! Must not know: what is done about what (that is [`crate::watchdog`]).

use std::{fs, path::Path, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, getpid, kill_process};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use super::{
    ServeError,
    device::{self, Supervised},
    knocking::keep_knocking,
    service::Service,
    watched::Watched,
};
use crate::{
    clock::Clock,
    config::Config,
    heartbeat::{Beat, Work},
    janitor::Supervisor,
    pause::{Cause, Pause},
    source::chain,
    watchdog::{
        Chores, Footing, Gauge, Guard, Keeper, Manager, Memory, Part, Pressure, RESTART, Scribe, Start, Watch,
    },
};

/// Signs of life of the runtime.
const TICK: Duration = Duration::from_secs(1);
/// In a debug build `runtime` here blocks all of its threads once the mirror is ready, as a bug would.
#[cfg(debug_assertions)]
const FAULT_VARIABLE: &str = "FAULT_IN_LARDER";

/// The watchdog. When it is dropped, what would have reset the box is told that the end is in order.
pub(super) struct Watching {
    guard: Guard,
    watched: Watched,
    manager: Option<Arc<Manager>>,
    janitor: Arc<Mutex<Option<Supervisor>>>,
    _memory: Watch,
    starting: Option<Work>,
    tasks: Vec<JoinHandle<()>>,
}

impl Watching {
    /// Begins to watch: before anything that could hang.
    pub(super) fn start(config: &Config) -> Result<Self, ServeError> {
        // That it cannot be made is for the cache to say.
        let _ = fs::create_dir_all(&config.data_dir);
        let manager = Manager::find(|name| std::env::var_os(name), std::process::id());
        let manager = manager.unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), "the service manager is told nothing");
            None
        });
        let manager = manager.map(Arc::new);
        let supervised = manager.as_ref().map_or(Supervised::No, |_| Supervised::Yes);
        // Before what may take long: it bites when it is not fed from here on.
        let (device, last_start) = device::open(config.watchdog.device.as_ref(), supervised, Path::new("/"));
        let (memory, read) = Memory::open(config.data_dir.join("watchdog"));
        if let Err(error) = read {
            tracing::warn!(file = %memory.path().display(), %error, "earlier resets are not known");
        }
        let clock = Clock::system();
        clock.not_before(memory.history().latest().unwrap_or_default());
        let pause = Pause::default();
        let janitor = Arc::<Mutex<Option<Supervisor>>>::default();
        let chores = Chores {
            clock,
            memory,
            manager: manager.clone(),
            kill_worker: {
                let janitor = janitor.clone();
                Box::new(move || kill_worker(janitor.lock().as_ref()))
            },
            stands: {
                let pause = pause.clone();
                Box::new(move |footing| match footing {
                    Footing::Firm => pause.end(Cause::SafeMode),
                    Footing::Safe => pause.begin(Cause::SafeMode),
                })
            },
            last_resort: Box::new(|| {
                // Nobody is left to tell.
                let _ = kill_process(getpid(), Signal::KILL);
            }),
        };
        let scribe = Scribe::start(chores, boot()).map_err(ServeError::Watchdog)?;
        if last_start == Start::ByWatchdog {
            scribe.machine_was_reset();
        }
        let memory = {
            let pause = pause.clone();
            Watch::start(Gauge::open(Path::new("/")), move |pressure| {
                short(&pause, pressure);
            })
        };
        let memory = memory.map_err(ServeError::Watchdog)?;
        let keeper = Keeper {
            scribe: scribe.clone(),
            manager: manager.clone(),
            device,
            end: Box::new(end),
            told: None,
        };
        let guard = Guard::start(keeper).map_err(ServeError::Watchdog)?;
        let start = Beat::default();
        let starting = start.work();
        guard.watch(Part::Start, start);
        Ok(Self {
            watched: Watched {
                pause,
                scribe: Some(scribe),
                standing: guard.standing(),
            },
            guard,
            manager,
            janitor,
            _memory: memory,
            starting: Some(starting),
            tasks: Vec::new(),
        })
    }

    pub(super) fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// The house stands: its parts are watched from now on, and whoever started it hears of it.
    pub(super) fn house(&mut self, service: &Service) {
        *self.janitor.lock() = Some(service.facts.janitor.clone());
        for (part, beat) in service.beats() {
            self.guard.watch(part, beat);
        }
        let (runtime, threads) = (Beat::default(), Beat::default());
        self.guard.watch(Part::Runtime, runtime.clone());
        self.guard.watch(Part::Threads, threads.clone());
        self.tasks.push(tokio::spawn(tick(runtime)));
        self.tasks.push(tokio::spawn(find_threads(threads)));
        if let Some(bound) = service.bound.http {
            let door = Beat::default();
            self.guard.watch(Part::Door, door.clone());
            let (site, mark) = (service.facts.site.clone(), service.mark.clone());
            self.tasks
                .push(tokio::spawn(keep_knocking(bound, site, mark, door)));
        }
        self.guard.leave(Part::Start);
        self.starting = None;
        if let Some(manager) = &self.manager {
            manager.ready();
        }
        if let Some(scribe) = &self.watched.scribe {
            scribe.status();
        }
        #[cfg(debug_assertions)]
        if std::env::var(FAULT_VARIABLE).is_ok_and(|fault| fault == "runtime") {
            block_the_runtime();
        }
    }

    /// The end begins.
    pub(super) fn stopping(&self) {
        self.guard.leave(Part::Door);
        if let Some(manager) = &self.manager {
            manager.stopping();
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        // The runtime goes with its tasks, and that is in order.
        self.guard.leave(Part::Runtime);
        self.guard.leave(Part::Threads);
    }
}

/// What can wait waits for memory, and is told to.
fn short(pause: &Pause, pressure: Pressure) {
    match pressure {
        Pressure::High => {
            tracing::warn!("memory is short: collecting and inspecting wait");
            pause.begin(Cause::Memory);
        }
        Pressure::Low => {
            tracing::info!("memory is not short any more");
            pause.end(Cause::Memory);
        }
    }
}

/// Ends the process from a thread that is not the runtime's.
#[allow(
    clippy::disallowed_methods,
    reason = "what destructors would wait for is what hangs"
)]
fn end() {
    std::process::exit(RESTART.into());
}

fn kill_worker(janitor: Option<&Supervisor>) {
    let worker = janitor.and_then(|janitor| janitor.state().worker?.process);
    let Some(worker) = worker.and_then(|id| Pid::from_raw(id.cast_signed())) else {
        return;
    };
    // It may have gone meanwhile. Its supervisor sees that and starts another.
    let _ = kill_process(worker, Signal::KILL);
}

/// The name of this boot; empty where there is none.
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Shows that tasks are run.
async fn tick(beat: Beat) {
    let _work = beat.work();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        beat.step();
    }
}

/// Shows that what blocks finds a thread.
async fn find_threads(beat: Beat) {
    let _work = beat.work();
    let mut tick = interval(TICK * 5);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let found = beat.clone();
        if spawn_blocking(move || found.step()).await.is_err() {
            // The runtime ends.
            return;
        }
    }
}

#[cfg(debug_assertions)]
fn block_the_runtime() {
    tracing::warn!("as {FAULT_VARIABLE} says, the runtime is blocked");
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    for _ in 0..threads * 4 {
        tokio::spawn(async {
            loop {
                std::thread::sleep(Duration::from_secs(60));
            }
        });
    }
}
