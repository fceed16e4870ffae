//! The task that knows when it is time for a pass.

use std::{path::PathBuf, pin::pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    memory::Memory,
    pass::Pass,
    record::{Ending, Record, Sums, What, Why},
    run::{Pause, Run},
    walker::Walker,
};
use crate::{
    backoff::Backoff,
    cache::{Ages, Cache, Condemned, SmallFile},
    clock::{Clock, Timestamp},
    collector::Hands,
    janitor::{Name, Pace},
};

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(30);
/// From the beginning of one to the beginning of the next. A little less than a day and a week: windows open at the
/// same time every day, and a pass begins a moment after.
const EVERY_SCAN: Duration = Duration::from_secs(23 * 3600);
const EVERY_SCRUB: Duration = Duration::from_secs(167 * 3600);
/// A pass that is due waits so long for the recovery. Then it is done as far as it can be.
const SETTLING: Duration = Duration::from_secs(3600);
/// Waits after a pass that failed: the first and the longest.
const RESTS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(6 * 3600));
/// A scrub is to be done in this time.
const WEEK: f64 = 7.0;
/// Slower is not worth it: a small cache is read in less than a week.
const LEAST_RATE: u64 = 1 << 20;

/// What inspections work by.
#[derive(Clone)]
pub struct Settings {
    pub clock: Clock,
    pub ages: Ages,
    /// Whether it is the time for what can wait, and for how long that is each day.
    pub window: Arc<dyn Fn() -> bool + Send + Sync>,
    pub daily: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// The most bytes that a scrub reads in a second.
    pub most_rate: u64,
    pub scan_pace: Pace,
    pub scrub_pace: Pace,
    /// Called when content has gone.
    pub gone: Arc<dyn Fn() + Send + Sync>,
    /// What outlives the process is kept here, and written as often as this at most. Flash wears.
    pub memory: PathBuf,
    pub save_every: Duration,
    pub rng: fastrand::Rng,
}

impl Settings {
    /// At any time, at a pace that leaves the disk to others half of the time.
    pub fn new(clock: Clock, memory: PathBuf) -> Self {
        Self {
            clock,
            ages: Ages {
                orphan: Duration::from_secs(3600),
                partial: Duration::from_secs(7 * 24 * 3600),
            },
            window: Arc::new(|| true),
            daily: Arc::new(|| Duration::from_secs(24 * 3600)),
            most_rate: 20 << 20,
            scan_pace: Pace {
                files: Pace::MOST_FILES,
                ..Pace::GENTLE
            },
            scrub_pace: Pace {
                time: Duration::from_millis(500),
                rest: Duration::ZERO,
                ..Pace::GENTLE
            },
            gone: Arc::new(|| {}),
            memory,
            save_every: Duration::from_secs(60),
            rng: fastrand::Rng::new(),
        }
    }
}

/// How thorough an inspection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Scan,
    /// A scan, and then everything is read.
    Scrub,
}

/// What has happened since the start, by kind of pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub done: u64,
    pub failed: u64,
    pub sums: Sums,
}

/// The same for all kinds, in the order of [`What::ALL`].
pub type Tally = [Outcomes; What::ALL.len()];

/// Inspections. Clones are the same; they end when the last is dropped.
#[derive(Clone)]
pub struct Inspector {
    requests: mpsc::Sender<Asked>,
    told: Arc<Told>,
}

/// Inspections have ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("inspections have stopped")]
pub struct Stopped;

/// Somebody who waits.
#[derive(Debug)]
struct Asked {
    depth: Depth,
    done: oneshot::Sender<Vec<Record>>,
    /// The passes that answer the request, as far as they are at their end.
    passes: Vec<Record>,
}

/// What is told while passes run, and what is written down.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<(Memory, Tally)>);

impl Told {
    /// A step was done: what it came to, and how far the pass is with it.
    pub(super) fn count(&self, more: &Sums, pass: &Pass) {
        let (memory, tally) = &mut *self.0.lock();
        tally[pass.record.what as usize].sums.add(more);
        memory.note(&pass.record);
        *memory.pass(pass.record.what) = Some(pass.clone());
    }

    /// A pass is not at work any more.
    fn ended(&self, pass: Pass) {
        let (memory, tally) = &mut *self.0.lock();
        let what = pass.record.what;
        memory.note(&pass.record);
        let outcomes = &mut tally[what as usize];
        match pass.record.ending {
            Ending::Done => outcomes.done += 1,
            Ending::Failed(_) => outcomes.failed += 1,
            Ending::Open => {}
        }
        let is_done = pass.record.ending == Ending::Done;
        *memory.pass(what) = (!is_done).then_some(pass);
    }

    fn open_pass(&self, what: What) -> Option<Pass> {
        self.0.lock().0.pass(what).clone()
    }

    /// A pass that is begun anew by somebody's wish is not told of any more.
    fn replaced(&self, pass: &Pass) {
        let memory = &mut self.0.lock().0;
        memory.records.retain(|record| {
            record.ending != Ending::Open || record.what != pass.record.what || record.at != pass.record.at
        });
    }

    fn last_done(&self, what: What) -> Option<Timestamp> {
        self.0.lock().0.last_done(what).map(|record| record.at)
    }
}

impl Inspector {
    /// Starts the task. What an earlier process has left is gone on with.
    pub fn start(
        cache: Cache,
        walker: Arc<dyn Walker>,
        hands: Arc<dyn Hands>,
        settings: Settings,
    ) -> (Self, JoinHandle<()>) {
        let file = cache.small_file(settings.memory.clone());
        let memory = Memory::read(&file);
        cache.remember_distrusted(memory.distrusted.iter().filter_map(Name::digest));
        let told = Arc::new(Told(Mutex::new((memory, Tally::default()))));
        let (requests, incoming) = mpsc::channel(64);
        let rest = || Rest {
            until: None,
            backoff: Backoff::new(RESTS.0, RESTS.1),
        };
        let keeper = Keeper {
            rests: [rest(), rest()],
            told: told.clone(),
            condemned: Vec::new(),
            asked: Vec::new(),
            answering: None,
            started: Instant::now(),
            saving: Saving {
                told: told.clone(),
                cache: cache.clone(),
                file,
                every: settings.save_every,
                last: None,
                written: None,
            },
            cache,
            walker,
            hands,
            settings,
        };
        (Self { requests, told }, tokio::spawn(keeper.run(incoming)))
    }

    /// Inspects now: a scan, which joins the one that runs, and a scrub after it if one is wanted. The records of both,
    /// or of the one that failed.
    pub async fn inspect(&self, depth: Depth) -> Result<Vec<Record>, Stopped> {
        let (done, records) = oneshot::channel();
        let asked = Asked {
            depth,
            done,
            passes: Vec::new(),
        };
        self.requests.send(asked).await.map_err(|_| Stopped)?;
        records.await.map_err(|_| Stopped)
    }

    /// The last passes and those that are under way, the latest last.
    pub fn history(&self) -> Vec<Record> {
        self.told.0.lock().0.records.iter().cloned().collect()
    }

    /// What has happened since the start.
    pub fn tally(&self) -> Tally {
        self.told.0.lock().1
    }
}

/// No pass of a kind before this: the last one failed.
struct Rest {
    until: Option<Instant>,
    backoff: Backoff,
}

/// The task's state.
struct Keeper {
    cache: Cache,
    walker: Arc<dyn Walker>,
    hands: Arc<dyn Hands>,
    settings: Settings,
    told: Arc<Told>,
    condemned: Vec<Condemned>,
    asked: Vec<Asked>,
    /// When the scrub began that those who wait for one are answered with.
    answering: Option<Timestamp>,
    rests: [Rest; What::ALL.len()],
    started: Instant,
    saving: Saving,
}

impl Keeper {
    async fn run(mut self, mut incoming: mpsc::Receiver<Asked>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            while let Ok(asked) = incoming.try_recv() {
                self.asked.push(asked);
            }
            if let Some(what) = self.next() {
                self.pass(what, &mut incoming).await;
                self.saving.save().await;
                if incoming.is_closed() {
                    return;
                }
                continue;
            }
            tokio::select! {
                asked = incoming.recv() => match asked {
                    Some(asked) => self.asked.push(asked),
                    None => return,
                },
                _ = look.tick() => self.saving.save().await,
            }
        }
    }

    /// What is to be done now.
    fn next(&mut self) -> Option<What> {
        // Who has gone waits for nothing.
        self.asked.retain(|asked| !asked.done.is_closed());
        What::ALL
            .into_iter()
            .find(|what| self.is_asked(*what) || self.is_due(*what))
    }

    fn is_asked(&self, what: What) -> bool {
        self.asked.iter().any(|asked| asked.wants() == what)
    }

    fn is_due(&self, what: What) -> bool {
        let rests = self.rests[what as usize]
            .until
            .is_some_and(|until| Instant::now() < until);
        if rests || !(self.settings.window)() {
            return false;
        }
        if !self.cache.is_settled() && self.started.elapsed() < SETTLING {
            return false;
        }
        let every = match what {
            What::Scan => EVERY_SCAN,
            What::Scrub => EVERY_SCRUB,
        };
        let age = || self.told.last_done(what)?.age(self.settings.clock.now());
        self.told.open_pass(what).is_some() || age().is_none_or(|age| age >= every)
    }

    /// The pass that is to go on, or a new one.
    fn choose(&mut self, what: What) -> Pass {
        let open = self.told.open_pass(what);
        let now = self.settings.clock.now();
        if !self.is_asked(what) {
            return open.unwrap_or_else(|| Pass::new(what, Why::Schedule, now));
        }
        if let Some(open) = open {
            if what == What::Scrub && self.answering == Some(open.record.at) {
                return open;
            }
            self.told.replaced(&open);
        }
        if what == What::Scrub {
            self.answering = Some(now);
        }
        Pass::new(what, Why::Asked, now)
    }

    async fn pass(&mut self, what: What, incoming: &mut mpsc::Receiver<Asked>) {
        let mut pass = self.choose(what);
        let is_asked = self.is_asked(what);
        let rate = if is_asked {
            self.settings.most_rate
        } else {
            self.rate()
        };
        let stop = Notify::new();
        let pause = {
            let mut run = Run::new(
                &self.cache,
                (&*self.walker, &*self.hands),
                &self.settings,
                &mut self.condemned,
                &self.told,
            );
            let mut advancing = pin!(run.advance(&mut pass, Some(rate), &stop));
            let mut look = interval(LOOK.min(self.settings.save_every));
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut open = true;
            loop {
                tokio::select! {
                    pause = &mut advancing => break pause,
                    asked = incoming.recv(), if open => match asked {
                        Some(asked) => {
                            self.asked.push(asked);
                            // A scan does not last. A scrub waits until the scan was made that goes before.
                            if what == What::Scrub {
                                stop.notify_one();
                            }
                        }
                        None => {
                            open = false;
                            stop.notify_one();
                        }
                    },
                    _ = look.tick() => {
                        self.saving.save().await;
                        if !is_asked && !(self.settings.window)() {
                            stop.notify_one();
                        }
                    }
                }
            }
        };
        let record = pass.record.clone();
        self.told.ended(pass);
        let rest = &mut self.rests[what as usize];
        match pause {
            Pause::Interrupted => return,
            Pause::Done => {
                rest.until = None;
                rest.backoff.reset();
                if record.is_alarming() {
                    tracing::warn!(%record, "inspected: content was not as it should be, and is fetched again");
                } else {
                    tracing::info!(%record, "inspected");
                }
            }
            Pause::Failed(retry_at) => {
                tracing::warn!(%record, "an inspection could not go on");
                let until = Instant::now() + rest.backoff.next(&mut self.settings.rng);
                rest.until = Some(retry_at.map_or(until, |at| at.max(until)));
            }
        }
        self.answer(&record);
    }

    /// Tells those who waited for a pass of this kind.
    fn answer(&mut self, record: &Record) {
        if record.what == What::Scrub {
            self.answering = None;
        }
        let failed = matches!(record.ending, Ending::Failed(_));
        for mut asked in std::mem::take(&mut self.asked) {
            if asked.wants() != record.what {
                self.asked.push(asked);
                continue;
            }
            asked.passes.push(record.clone());
            if failed || asked.depth == Depth::Scan || record.what == What::Scrub {
                // Who asked may have gone.
                let _ = asked.done.send(asked.passes);
            } else {
                self.asked.push(asked);
            }
        }
    }

    fn rate(&self) -> u64 {
        let stats = self.cache.stats();
        let bytes = stats.bytes.saturating_sub(stats.inline_bytes);
        rate(bytes, (self.settings.daily)(), self.settings.most_rate)
    }
}

/// So fast that all is read in about a week.
fn rate(bytes: u64, daily: Duration, most: u64) -> u64 {
    let seconds = daily.as_secs_f64().max(1.0) * WEEK;
    // A quarter more, for what gets in the way.
    let rate = bytes as f64 * 1.25 / seconds;
    (rate as u64).max(LEAST_RATE).min(most)
}

impl Asked {
    /// What it waits for: a scan goes before a scrub.
    fn wants(&self) -> What {
        if self.passes.is_empty() {
            What::Scan
        } else {
            What::Scrub
        }
    }
}

/// Writes down what is to outlive the process, not too often.
struct Saving {
    told: Arc<Told>,
    cache: Cache,
    file: SmallFile,
    every: Duration,
    last: Option<Instant>,
    written: Option<Vec<u8>>,
}

impl Saving {
    async fn save(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            return;
        }
        let mut memory = self.told.0.lock().0.clone();
        memory.distrusted = self.cache.distrusted().iter().map(Name::from).collect();
        let text = serde_json::to_vec(&memory).ok();
        if text == self.written {
            return;
        }
        self.last = Some(Instant::now());
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || memory.write(&file)).await;
        match written {
            Ok(Ok(())) => self.written = text,
            Ok(Err(error)) => {
                tracing::debug!(path = %self.file.path().display(), %error, "how far the inspections are is not written down");
            }
            // A panic, which was reported where it happened.
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_in_a_week_and_never_too_fast() {
        let (night, day) = (Duration::from_secs(3 * 3600), Duration::from_secs(24 * 3600));
        for (bytes, daily) in [(1_u64 << 40, night), (1 << 40, day), (4 << 40, day)] {
            let rate = rate(bytes, daily, 20 << 20);
            assert!(rate <= 20 << 20, "{rate}");
            let days = bytes as f64 / (rate as f64 * daily.as_secs_f64());
            assert!((5.0..7.0).contains(&days), "{days} days");
        }
        assert_eq!(rate(1 << 44, night, 20 << 20), 20 << 20);
        assert_eq!(rate(1 << 30, day, 20 << 20), LEAST_RATE);
    }
}
