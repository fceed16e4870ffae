//! One collection.
//!
//! Promises: see [`super`]; between two pieces the index's writer is left to others, in the background for so
//! long that it is held for a fiftieth of the time at most.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    hands::{Hands, Unable, remove_condemned},
    record::{Ending, Record, Why},
    refusals::{InVain, Refusals},
    task::Settings,
    vain::is_vain,
};
use crate::{
    cache::{
        Cache, Condemned, Pressure, Remains, Terms,
        eviction::{Amount, Outcome},
    },
    pause::Errand,
    source::chain,
};

/// In need the grace is so many times shorter: a pull of an image that takes longer is asking for its parts,
/// and what is asked for is in use.
const NEED: u32 = 12;

/// In the background the index's writer is left alone for this many times as long as it was held: 2 %.
const REST: u32 = 49;

/// Passes of one collection: clients may fill as fast as it frees.
const PASSES: u32 = 20;

/// So many passes in a row that free nothing that the disk can see are enough.
const VAIN_PASSES: u32 = 2;

/// What a collection is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    pub(super) why: Why,
    pub(super) mode: Mode,
}

impl Task {
    fn errand(self) -> Errand {
        match self.why {
            Why::Asked => Errand::Asked,
            _ => Errand::Own,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Earnest,
    Rehearsal,
}

/// The means of a collection.
pub(super) struct Run<'a> {
    pub(super) cache: &'a Cache,
    pub(super) hands: &'a dyn Hands,
    pub(super) settings: &'a Settings,
    /// Files that an earlier collection could not remove.
    pub(super) condemned: &'a mut Vec<Condemned>,
    pub(super) refusals: &'a mut Refusals,
}

/// What came of it.
struct Sum {
    units: u64,
    spared: u64,
    pieces: u64,
    bytes: u64,
    files: u64,
}

/// Why it ended before its time.
enum Stop {
    Hands(Unable),
    Cache(crate::cache::CacheError),
}

impl From<crate::cache::CacheError> for Stop {
    fn from(error: crate::cache::CacheError) -> Self {
        Self::Cache(error)
    }
}

impl Run<'_> {
    /// Does it. Also says when it is worth trying again, if the hands said so.
    pub(super) async fn collect(&mut self, task: Task) -> (Record, Option<Instant>) {
        let at = self.settings.clock.now();
        let began = Instant::now();
        let mut sum = Sum {
            units: 0,
            spared: 0,
            pieces: 0,
            bytes: 0,
            files: 0,
        };
        let before = self.cache.pressure();
        let mut goal = Amount::NOTHING;
        let ended = match &before {
            Ok(pressure) => {
                // A rehearsal makes no room.
                let refused = if task.mode == Mode::Earnest {
                    goal = self.goal(pressure, self.cache.take_wanted());
                    self.for_refusal(pressure)
                } else {
                    goal = self.goal(pressure, 0);
                    Ok(None)
                };
                match refused {
                    Ok(None) => self.pursue(task, goal, &mut sum).await,
                    Ok(Some(more)) => {
                        goal.bytes = goal.bytes.max(more);
                        let ended = self.pursue(task, goal, &mut sum).await;
                        self.refusals.made_room(self.cache.written(), sum.bytes);
                        ended
                    }
                    Err(InVain) => Ok(Ending::Short(format!(
                        "the disk refuses writes though it says that it has room, and making more was of no use: {pressure}; \
                         look for a quota, or for what the filesystem keeps for itself"
                    ))),
                }
            }
            Err(error) => Ok(Ending::Failed(chain(error))),
        };
        let (ending, retry_at) = match ended {
            Ok(ending) => (ending, None),
            Err(Stop::Hands(unable)) => (Ending::Failed(unable.why), unable.retry_at),
            Err(Stop::Cache(error)) => (Ending::Failed(chain(&error)), None),
        };
        let thousandths = |pressure: &Pressure| (pressure.worst() * 1000.0).round() as u32;
        let before = before.as_ref().map_or(0, thousandths);
        let record = Record {
            at,
            took: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            why: task.why,
            goal_bytes: goal.bytes,
            goal_inodes: goal.inodes,
            units: sum.units,
            spared: sum.spared,
            pieces: sum.pieces,
            bytes: sum.bytes,
            files: sum.files,
            before,
            after: self.cache.pressure().as_ref().map_or(before, thousandths),
            ending,
        };
        (record, retry_at)
    }

    /// What has to go: down to the low mark, and so that what found no room would find it.
    fn goal(&self, pressure: &Pressure, wanted: u64) -> Amount {
        let mut goal = pressure.to_give(self.settings.low);
        let capacity = pressure.capacity().0.bytes as f64;
        // What is larger than the whole cache is not to be made room for.
        if wanted > 0 && wanted as f64 <= capacity * self.settings.low {
            let part = self.settings.stop - wanted as f64 / capacity;
            goal.bytes = goal.bytes.max(pressure.to_give(part.max(0.0)).bytes);
        }
        goal
    }

    /// What is to go, in bytes, because the disk refused to write and no mark says why.
    fn for_refusal(&mut self, pressure: &Pressure) -> Result<Option<u64>, InVain> {
        let Some(refusal) = self.cache.take_refusal() else {
            return Ok(None);
        };
        if pressure.worst() > self.settings.high {
            return Ok(None);
        }
        let goal = self.refusals.goal(refusal, pressure.capacity().0.bytes)?;
        Ok(Some(goal.min(pressure.to_give_at_most())))
    }

    async fn pursue(&mut self, task: Task, goal: Amount, sum: &mut Sum) -> Result<Ending, Stop> {
        if task.mode == Mode::Earnest {
            self.remove_condemned(sum).await?;
        }
        let (mut goal, mut vain) = (goal, 0);
        for _ in 0..PASSES {
            if goal == Amount::NOTHING {
                break;
            }
            let before = self.cache.pressure()?;
            let (freed, ended) = self.pass(task, goal, sum).await?;
            if let Some(ending) = ended {
                return Ok(ending);
            }
            let after = self.cache.pressure()?;
            if after.worst() <= self.settings.high {
                break;
            }
            // Others fill while this one frees; what it freed and the disk still counts is another matter.
            vain = if is_vain(freed, &before, &after) {
                vain + 1
            } else {
                0
            };
            if vain == VAIN_PASSES {
                return Ok(Ending::Short(format!(
                    "{} bytes in {} files were removed and are not free: {after}; something else uses the disk",
                    sum.bytes, sum.files
                )));
            }
            goal = after.to_give(self.settings.low);
        }
        let now = self.cache.pressure()?;
        if now.worst() > self.settings.high && now.to_give(self.settings.low) == Amount::NOTHING {
            return Ok(Ending::Short(format!(
                "what fills the disk is not the cache's: {} are others', and the tenth of the disk that it keeps is all \
                 that it has: {now}",
                now.others()
            )));
        }
        Ok(Ending::Done)
    }

    /// One plan after the other, with less and less grace. Also the ending, if there is nothing more to do.
    async fn pass(
        &mut self,
        task: Task,
        goal: Amount,
        sum: &mut Sum,
    ) -> Result<(Amount, Option<Ending>), Stop> {
        let mut freed = Amount::NOTHING;
        let mut verdict = String::new();
        for grace in [self.settings.grace, self.settings.grace / NEED] {
            let mut collection = self.cache.plan(self.terms(grace), goal.less(freed)).await?;
            if task.mode == Mode::Rehearsal {
                let (units, pieces, freed, outcome) = collection.rehearse().await?;
                (sum.units, sum.pieces, sum.bytes, sum.files) = (units, pieces, freed.bytes, freed.inodes);
                let ending = match outcome {
                    Outcome::Short(verdict) => Ending::Short(verdict.to_string()),
                    Outcome::Met | Outcome::Open => Ending::Rehearsed,
                };
                return Ok((freed, Some(ending)));
            }
            freed += self.carry_out(&mut collection, task, sum).await?;
            match collection.outcome() {
                Outcome::Short(short) => verdict = short.to_string(),
                Outcome::Met | Outcome::Open => return Ok((freed, None)),
            }
            // What can wait does not touch what is so young.
            if !task.why.is_urgent() {
                break;
            }
        }
        Ok((freed, Some(Ending::Short(verdict))))
    }

    async fn carry_out(
        &mut self,
        collection: &mut crate::cache::Collection,
        task: Task,
        sum: &mut Sum,
    ) -> Result<Amount, Stop> {
        let mut freed = Amount::NOTHING;
        loop {
            self.settings.pause.over(task.errand(), &self.settings.beat).await;
            self.settings.beat.step();
            let began = Instant::now();
            let Some(taken) = collection.advance().await? else {
                return Ok(freed);
            };
            let held = began.elapsed();
            sum.units += taken.units;
            sum.spared += taken.spared;
            sum.pieces += taken.pieces;
            sum.bytes += taken.bytes;
            freed += Amount::new(taken.bytes, taken.files.len() as u64);
            self.condemned.extend(taken.files);
            self.remove_condemned(sum).await?;
            if !task.why.is_urgent() {
                tokio::time::sleep(held * REST).await;
            }
        }
    }

    /// Removes what is off the list. What cannot be removed now stays condemned for the next time.
    async fn remove_condemned(&mut self, sum: &mut Sum) -> Result<(), Stop> {
        for remains in Remains::ALL {
            let removed = remove_condemned(self.hands, self.condemned, remains).await;
            self.settings.beat.step();
            sum.files += removed.map_err(Stop::Hands)?.files;
        }
        Ok(())
    }

    fn terms(&self, grace: Duration) -> Terms {
        Terms {
            pinned: self.settings.pinned.clone(),
            grace,
            cost: (self.settings.costs)(),
        }
    }
}
