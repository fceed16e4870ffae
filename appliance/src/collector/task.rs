//! The task that waits for a reason.

use std::{path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use super::{
    hands::Hands,
    history::History,
    record::{Counts, Ending, Record, Why},
    refusals::Refusals,
    run::{Mode, Run, Task},
};
use crate::{
    cache::{
        Cache, Condemned, Costs,
        eviction::{Amount, Forecast},
    },
    clock::Clock,
    heartbeat::Beat,
    oci::Digest,
    pause::{Errand, Pause},
};

/// How often the marks are looked at when nobody says that there should be room.
const LOOK: Duration = Duration::from_secs(5);

/// What was used is written as often as this. Flash wears.
const SAVE: Duration = Duration::from_secs(300);

/// The forecast looks back so far, and what it says is heeded when it is as near as this.
const WINDOW: Duration = Duration::from_secs(3600);
const AHEAD: Duration = Duration::from_secs(900);

/// So long it waits for what a crash has left, less than until the next look: a box that starts again and again must
/// still come to it.
const SETTLING: Duration = Duration::from_secs(4);

/// Pauses after a collection that did not help: the first and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// What the collector works by.
pub struct Settings {
    /// Parts of a limit: when to begin, how far to go, and where storing stops.
    pub high: f64,
    pub low: f64,
    pub stop: f64,
    /// What was used or stored in this time stays; in need, what was in a twelfth of it.
    pub grace: Duration,
    pub clock: Clock,
    /// What people want kept, now.
    pub pinned: Arc<dyn Fn() -> Vec<Digest> + Send + Sync>,
    /// How dear it is to fetch from upstreams again, as things are now.
    pub costs: Arc<dyn Fn() -> Costs + Send + Sync>,
    /// Whether it is the time for what can wait.
    pub window: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Called when content has gone.
    pub gone: Arc<dyn Fn() + Send + Sync>,
    /// Called when a collection did not make enough room.
    pub short: Arc<dyn Fn() + Send + Sync>,
    /// Where the history is kept.
    pub history: PathBuf,
    /// Told with each piece.
    pub beat: Beat,
    /// Nothing is collected while it is on, unless somebody asks.
    pub pause: Pause,
}

/// The collector. Clones are the same one; it ends when the last is dropped, or when it is stopped.
#[derive(Clone)]
pub struct Collector {
    requests: mpsc::Sender<Request>,
    history: Arc<Mutex<History>>,
    counts: Arc<Mutex<Counts>>,
}

/// The collector has ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the collector has stopped")]
pub struct Stopped;

struct Request {
    mode: Mode,
    done: oneshot::Sender<Record>,
}

impl Collector {
    /// Starts it.
    pub fn start(cache: Cache, hands: Arc<dyn Hands>, settings: Settings) -> (Self, JoinHandle<()>) {
        let (requests, incoming) = mpsc::channel(64);
        let history = Arc::new(Mutex::new(History::read(
            cache.small_file(settings.history.clone()),
        )));
        let counts = Arc::new(Mutex::new(Counts::new()));
        let keeper = Keeper {
            counts: counts.clone(),
            forecast: Forecast::new(WINDOW),
            condemned: Vec::new(),
            refusals: Refusals::default(),
            unsettled: None,
            rest: None,
            pause: PAUSE.0,
            saved: Instant::now(),
            window_used: false,
            history: history.clone(),
            cache,
            hands,
            settings,
        };
        let collector = Self {
            requests,
            history,
            counts,
        };
        (collector, tokio::spawn(keeper.run(incoming)))
    }

    /// Collects now, down to the low mark; joins the collection that runs, if one does.
    pub async fn collect(&self) -> Result<Record, Stopped> {
        self.ask(Mode::Earnest).await
    }

    /// Says what would go.
    pub async fn rehearse(&self) -> Result<Record, Stopped> {
        self.ask(Mode::Rehearsal).await
    }

    async fn ask(&self, mode: Mode) -> Result<Record, Stopped> {
        let (done, record) = oneshot::channel();
        let request = Request { mode, done };
        self.requests.send(request).await.map_err(|_| Stopped)?;
        record.await.map_err(|_| Stopped)
    }

    /// The last collections, the latest last.
    pub fn history(&self) -> Vec<Record> {
        self.history.lock().records()
    }

    /// What has been done since the start.
    pub fn counts(&self) -> Counts {
        self.counts.lock().clone()
    }
}

/// The task's state.
struct Keeper {
    cache: Cache,
    hands: Arc<dyn Hands>,
    settings: Settings,
    history: Arc<Mutex<History>>,
    counts: Arc<Mutex<Counts>>,
    forecast: Forecast,
    condemned: Vec<Condemned>,
    refusals: Refusals,
    /// Since when it is known that a crash has left what is not adopted yet.
    unsettled: Option<Instant>,
    /// No collection for a mark's sake before this: the last one did not help.
    rest: Option<Instant>,
    pause: Duration,
    saved: Instant,
    /// It collects once per window, unless there was nothing to do or it could not.
    window_used: bool,
}

impl Keeper {
    async fn run(mut self, mut incoming: mpsc::Receiver<Request>) {
        let (wanted, settled) = (self.cache.room_wanted(), self.cache.settled());
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut asked = Vec::new();
            tokio::select! {
                request = incoming.recv() => match request {
                    Some(request) => asked.push(request),
                    None => break,
                },
                () = wanted.notified() => {}
                () = settled.notified() => {}
                _ = look.tick() => self.observe().await,
            }
            // Who asked for a rehearsal is not answered with the real thing, nor the other way round.
            while let Ok(request) = incoming.try_recv() {
                asked.push(request);
            }
            let (rehearsals, earnest): (Vec<_>, Vec<_>) = asked
                .into_iter()
                .partition(|request| request.mode == Mode::Rehearsal);
            if !rehearsals.is_empty() {
                let record = self.collect(Why::Asked, Mode::Rehearsal).await;
                answer(rehearsals, &record);
            }
            let why = if earnest.is_empty() {
                self.reason()
            } else {
                Some(Why::Asked)
            };
            let Some(why) = why else { continue };
            let record = self.collect(why, Mode::Earnest).await;
            answer(earnest, &record);
            // Who asked meanwhile has joined this one.
            let mut later = Vec::new();
            while let Ok(request) = incoming.try_recv() {
                later.push(request);
            }
            let (rehearsals, joined): (Vec<_>, Vec<_>) = later
                .into_iter()
                .partition(|request| request.mode == Mode::Rehearsal);
            answer(joined, &record);
            if !rehearsals.is_empty() {
                let record = self.collect(Why::Asked, Mode::Rehearsal).await;
                answer(rehearsals, &record);
            }
        }
    }

    async fn observe(&mut self) {
        if let Ok(pressure) = self.cache.pressure() {
            self.forecast.observe(self.settings.clock.now(), pressure.used());
        }
        if self.saved.elapsed() >= SAVE {
            self.saved = Instant::now();
            self.cache.save_uses().await;
        }
    }

    /// Whether there is a reason now.
    fn reason(&mut self) -> Option<Why> {
        let pressure = self.cache.pressure().ok()?;
        let in_window = (self.settings.window)();
        self.window_used &= in_window;
        if self.settings.pause.holds(Errand::Own) {
            return None;
        }
        if self.rest.is_some_and(|rest| Instant::now() < rest) || self.is_settling() {
            return None;
        }
        if pressure.worst() > self.settings.high {
            return Some(Why::HighMark);
        }
        if self.cache.is_room_wanted() {
            return Some(Why::NoRoom);
        }
        if pressure.worst() <= self.settings.low {
            return None;
        }
        if in_window && !self.window_used {
            self.window_used = true;
            return Some(Why::Window);
        }
        let capacity = pressure.capacity().0;
        let part = |whole: u64| (whole as f64 * self.settings.high) as u64;
        let mark = Amount::new(part(capacity.bytes), part(capacity.inodes));
        let outlook = self.forecast.outlook(mark);
        (outlook.bytes.within(AHEAD) || outlook.inodes.within(AHEAD)).then_some(Why::Forecast)
    }

    /// Whether what a crash has left may still be adopted: a collection that it cut had taken content off the list
    /// that comes back, to go before anything else.
    fn is_settling(&mut self) -> bool {
        if self.cache.is_settled() {
            self.unsettled = None;
            return false;
        }
        self.unsettled.get_or_insert_with(Instant::now).elapsed() < SETTLING
    }

    async fn collect(&mut self, why: Why, mode: Mode) -> Record {
        let _work = self.settings.beat.work();
        let mut run = Run {
            cache: &self.cache,
            hands: &*self.hands,
            settings: &self.settings,
            condemned: &mut self.condemned,
            refusals: &mut self.refusals,
        };
        let (record, retry_at) = run.collect(Task { why, mode }).await;
        if mode == Mode::Rehearsal {
            return record;
        }
        if record.pieces > 0 {
            (self.settings.gone)();
            self.forecast.collected(Amount::new(record.bytes, record.files));
        }
        match &record.ending {
            Ending::Done | Ending::Rehearsed => {
                tracing::info!(%record, "collected");
                self.rest = None;
                self.pause = PAUSE.0;
            }
            Ending::Short(_) | Ending::Failed(_) => {
                tracing::warn!(%record, "collecting did not make enough room");
                (self.settings.short)();
                let until = Instant::now() + self.pause;
                self.rest = Some(retry_at.map_or(until, |at| at.max(until)));
                self.pause = (self.pause * 2).min(PAUSE.1);
            }
        }
        self.counts.lock().add(&record);
        self.history.lock().add(&record);
        record
    }
}

fn answer(requests: Vec<Request>, record: &Record) {
    for request in requests {
        // Who asked may have gone.
        let _ = request.done.send(record.clone());
    }
}
