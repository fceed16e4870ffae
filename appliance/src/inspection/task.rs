//! The task that knows when it is time for a pass.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, MissedTickBehavior, interval},
};

use super::{
    inspector::{Asked, Depth},
    pass::Pass,
    record::{Ending, Record, Sums, What, Why},
    rest::Rest,
    run::{Pause, Run},
    saving::Saving,
    search::Search,
    settings::{Settings, rate},
    told::{Outcomes, Told},
    walker::Walker,
};
use crate::{
    cache::{Cache, Condemned},
    clock::Timestamp,
    collector::Hands,
    pause::Errand,
};

/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(30);
/// From the beginning of one to the beginning of the next. A little less than a day and a week: windows open at the
/// same time every day, and a pass begins a moment after.
const EVERY_SCAN: Duration = Duration::from_secs(23 * 3600);
const EVERY_SCRUB: Duration = Duration::from_secs(167 * 3600);
/// A pass that is due waits so long for the recovery. Then it is done as far as it can be.
const SETTLING: Duration = Duration::from_secs(3600);

/// The task's state.
pub(super) struct Keeper {
    cache: Cache,
    walker: Arc<dyn Walker>,
    hands: Arc<dyn Hands>,
    settings: Settings,
    told: Arc<Told>,
    condemned: Vec<Condemned>,
    asked: Vec<Asked>,
    /// When the scrub began that those who wait for one are answered with.
    answering: Option<Timestamp>,
    /// A recovery that is not at its end.
    recovery: Option<Pass>,
    rests: [Rest; What::ALL.len()],
    started: Instant,
    saving: Saving,
}

impl Keeper {
    pub(super) fn new(
        cache: Cache,
        walker: Arc<dyn Walker>,
        hands: Arc<dyn Hands>,
        settings: Settings,
        told: Arc<Told>,
    ) -> Self {
        Self {
            saving: Saving::new(
                told.clone(),
                cache.clone(),
                cache.small_file(settings.memory.clone()),
                settings.save_every,
            ),
            cache,
            walker,
            hands,
            settings,
            told,
            condemned: Vec::new(),
            asked: Vec::new(),
            answering: None,
            recovery: None,
            rests: What::ALL.map(Rest::of),
            started: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut incoming: mpsc::Receiver<Asked>) {
        let lost = self.cache.lost();
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
                () = lost.notified() => {}
                _ = look.tick() => self.saving.save().await,
            }
        }
    }

    /// What is to be done now.
    fn next(&mut self) -> Option<What> {
        // Who has gone waits for nothing.
        self.asked.retain(|asked| !asked.done.is_closed());
        let pause = &self.settings.pause;
        What::ALL.into_iter().find(|what| {
            self.is_asked(*what) && !pause.holds(Errand::Asked)
                || self.is_due(*what) && !pause.holds(Errand::Own)
        })
    }

    fn is_asked(&self, what: What) -> bool {
        self.asked.iter().any(|asked| asked.wants() == what)
    }

    fn is_due(&self, what: What) -> bool {
        let rests = self.rests[what as usize].is_on();
        let every = match what {
            // Whenever there is something to compare with.
            What::Recovery => return !rests && !self.cache.is_settled() && self.cache.era().is_some(),
            What::Scan => EVERY_SCAN,
            What::Scrub => EVERY_SCRUB,
        };
        if rests || !(self.settings.window)() {
            return false;
        }
        if !self.cache.is_settled() && self.started.elapsed() < SETTLING {
            return false;
        }
        let age = || self.told.last_done(what)?.age(self.settings.clock.now());
        self.told.open_pass(what).is_some() || age().is_none_or(|age| age >= every)
    }

    /// The recovery that is to go on, or a new one.
    fn choose_recovery(&mut self) -> Pass {
        let era = self.cache.era();
        let why = if let Some(open) = self.recovery.take() {
            if open.search.era == era {
                return open;
            }
            self.told.replaced(&open);
            Why::Loss
        } else if self.told.tally()[What::Recovery as usize] == Outcomes::default() {
            Why::Start
        } else {
            Why::Loss
        };
        let mut pass = Pass::new(What::Recovery, why, self.settings.clock.now());
        pass.search = era.map(Search::of).unwrap_or_default();
        pass
    }

    /// The pass that is to go on, or a new one.
    fn choose(&mut self, what: What) -> Pass {
        if what == What::Recovery {
            return self.choose_recovery();
        }
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
        // Neither a person nor what was lost waits for a window.
        let at_once = what == What::Recovery || is_asked;
        let errand = if is_asked { Errand::Asked } else { Errand::Own };
        let pausing = self.settings.pause.clone();
        let mut begun = pin!(pausing.begun(errand));
        let _work = self.settings.beat.work();
        let (stop, lost) = (Notify::new(), self.cache.lost());
        let pause = {
            let mut run = Run {
                cache: &self.cache,
                walker: &*self.walker,
                hands: &*self.hands,
                settings: &self.settings,
                condemned: &mut self.condemned,
                told: &self.told,
                counted: Sums::default(),
            };
            let mut advancing = pin!(run.advance(&mut pass, Some(rate), &stop));
            let mut look = interval(LOOK.min(self.settings.save_every));
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut open, mut goes_on) = (true, true);
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
                    () = &mut begun, if goes_on => {
                        goes_on = false;
                        stop.notify_one();
                    }
                    // What it compares with is gone, and what was on it is to be found first.
                    () = lost.notified() => stop.notify_one(),
                    _ = look.tick() => {
                        self.saving.save().await;
                        if !at_once && !(self.settings.window)() {
                            stop.notify_one();
                        }
                    }
                }
            }
        };
        let record = pass.record.clone();
        self.told.ended(&pass);
        self.recovery = (what == What::Recovery && !matches!(pause, Pause::Done))
            .then_some(pass)
            .or(self.recovery.take());
        let rest = &mut self.rests[what as usize];
        match pause {
            Pause::Interrupted => return,
            Pause::Done => {
                rest.end();
                match what {
                    _ if record.is_alarming() => {
                        tracing::warn!(%record, "inspected: content was not as it should be, and is fetched again");
                    }
                    What::Recovery if record.is_quiet() => tracing::info!(%record, "the cache is in order"),
                    What::Recovery => tracing::info!(%record, "the cache was brought in order"),
                    What::Scan | What::Scrub => tracing::info!(%record, "inspected"),
                }
            }
            Pause::Failed(retry_at) => {
                tracing::warn!(%record, "an inspection could not go on");
                rest.begin(&mut self.settings.rng, retry_at);
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
