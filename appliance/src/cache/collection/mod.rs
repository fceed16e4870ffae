//! Making room: a plan of what goes, carried out in the index piece by piece.
//!
//! | file | what |
//! |---|---|
//! | [`carry_out`] | units off the list |
//! | [`taken`] | what went |
//! | [`wish`] | what people want kept, or gone |
//!
//! First go partials that nobody fills, which serve nobody. Promises: what is taken off the list goes in units, so that
//! what stays listed stays whole; content that somebody asked for since the plan was made stays; each piece is one durable
//! transaction of bounded length. The files are handed to the caller, who has them removed: until then they are files
//! that nobody lists, which a crash leaves to the next scan. Must not know: why there has to be room, who removes
//! files.

mod carry_out;
mod taken;
mod wish;

use std::{collections::HashMap, sync::Arc};

use super::{
    admission::Refusal,
    cache::{Cache, Inner},
    census::{self, Census, Terms},
    error::{CacheError, Kind},
    eviction::{Amount, Exchange, Outcome, Plan, Step, Verdict},
    index::{Guard, Unit},
    leftovers::Leftover,
    pressure::Pressure,
    uses::Watch,
};
use crate::oci::Digest;

pub(super) use carry_out::carry_out;
pub use taken::{Condemned, Remains, Taken};

use carry_out::adrift;

const OPERATION: &str = "make room";

/// Pieces of content in one transaction, about: some ten milliseconds of the writer.
const BATCH: usize = 512;

/// A plan that is being carried out.
pub struct Collection {
    inner: Arc<Inner>,
    /// What is used since it was planned.
    watch: Arc<Watch>,
    // Away while a piece is prepared on a thread that may block.
    work: Option<Box<Work>>,
}

struct Work {
    /// Partials that go first: what they free is not the plan's to free.
    partials: Vec<(Digest, Leftover)>,
    /// What went of them.
    freed: Amount,
    plan: Plan,
    census: Census,
    /// Second chances that the live records have been told of.
    told: usize,
    /// Pieces of content in one transaction.
    batch: usize,
}

impl Cache {
    /// The largest blob that found no room since the last call, in bytes.
    pub fn take_wanted(&self) -> u64 {
        self.inner.admission.take_wanted()
    }

    /// What the filesystem refused since the last call though it was said to have room.
    pub fn take_refusal(&self) -> Option<Refusal> {
        self.inner.admission.take_refusal()
    }

    /// All that fills have written since the start, in bytes.
    pub fn written(&self) -> u64 {
        self.inner.admission.written()
    }

    /// Whether a blob found no room since [`Cache::take_wanted`] and [`Cache::take_refusal`].
    pub fn is_room_wanted(&self) -> bool {
        self.inner.admission.is_wanted()
    }

    /// How full it is.
    pub fn pressure(&self) -> Result<Pressure, CacheError> {
        self.inner.pressure()
    }

    /// Plans what goes so that `goal` is freed; nothing is done yet.
    pub async fn plan(&self, terms: Terms, goal: Amount) -> Result<Collection, CacheError> {
        let inner = self.inner.clone();
        let planned = tokio::task::spawn_blocking(move || {
            let now = inner.clock.now();
            let watch = Arc::new(inner.uses.watch());
            let exchange = Exchange::of(inner.pressure()?.capacity());
            let (census, catalog) = census::count(&inner, &terms, now)?;
            // What was remembered of content that is not here any more is of no use.
            inner.uses.sweep(&census.names.sorted());
            let partials = inner.leftovers_for(goal, terms.grace, now);
            let first = partials.iter().map(|(_, leftover)| leftover.amount()).sum();
            let plan = Plan::new(catalog, inner.uses.ranking(), exchange, goal.less(first), now);
            Ok(Collection {
                work: Some(Box::new(Work {
                    partials,
                    freed: Amount::NOTHING,
                    plan,
                    census,
                    told: 0,
                    batch: BATCH,
                })),
                watch,
                inner,
            })
        });
        planned.await.unwrap_or_else(|error| Err(panicked(error)))
    }
}

fn panicked(error: tokio::task::JoinError) -> CacheError {
    CacheError::new(OPERATION, &"", Kind::Io, error)
}

impl Inner {
    pub(super) fn pressure(&self) -> Result<Pressure, CacheError> {
        self.settle_leftovers();
        self.disk.restore_ballast();
        let space = self
            .disk
            .space(&self.layout.dir)
            .map_err(|error| CacheError::io("ask for the room of", &self.layout.dir.display(), error))?;
        let sums = self.index.sums()?;
        Ok(Pressure::of(
            space,
            &sums,
            self.admission.promised(),
            self.max_bytes,
            self.max_inodes,
        ))
    }
}

impl Collection {
    /// Takes the next units off the list. `None` when the goal is met or nothing more can go.
    pub async fn advance(&mut self) -> Result<Option<Taken>, CacheError> {
        let Some(mut work) = self.work.take() else {
            return Ok(None);
        };
        if !work.partials.is_empty() {
            let taken = work.let_partials_go(&self.inner).await?;
            self.work = Some(work);
            return Ok(Some(taken));
        }
        let inner = self.inner.clone();
        let prepared = tokio::task::spawn_blocking(move || {
            let piece = work.next_piece();
            let units = work.units(&inner, &piece);
            (work, piece, units)
        });
        let (work, piece, units) = prepared.await.map_err(panicked)?;
        let units = units?;
        if piece.is_empty() {
            self.work = Some(work);
            let mut taken = Taken::default();
            taken.add(adrift(&self.inner));
            return Ok((!taken.files.is_empty()).then_some(taken));
        }
        let (taken, spared) = carry_out(&self.inner, units, Guard::Demand(self.watch.clone())).await?;
        let mut work = work;
        for (number, step) in piece.iter().enumerate() {
            if spared.contains(&number) {
                // Something else has to go in its place.
                work.plan.stays(step);
                continue;
            }
            for member in &step.freed {
                self.inner.uses.evicted(work.census.names.get(*member), step.rank);
            }
        }
        self.work = Some(work);
        Ok(Some(taken))
    }

    /// What would go, without any of it going: units, pieces and what they free. Uses the plan up.
    pub async fn rehearse(mut self) -> Result<(u64, u64, Amount, Outcome), CacheError> {
        let Some(mut work) = self.work.take() else {
            return Ok((0, 0, Amount::NOTHING, Outcome::Met));
        };
        let rehearsed = tokio::task::spawn_blocking(move || {
            let partials = std::mem::take(&mut work.partials);
            let (mut units, mut pieces) = (partials.len() as u64, partials.len() as u64);
            work.freed = partials.iter().map(|(_, leftover)| leftover.amount()).sum();
            for step in work.plan.by_ref() {
                units += 1;
                pieces += step.freed.len() as u64;
            }
            (units, pieces, work.freed + work.plan.freed(), work.outcome())
        });
        rehearsed.await.map_err(panicked)
    }

    /// How the plan stands.
    pub fn outcome(&self) -> Outcome {
        self.work.as_ref().map_or(Outcome::Open, |work| work.outcome())
    }

    /// Asks for more: what was freed turned out not to be enough.
    pub fn more(&mut self, more: Amount) {
        if let Some(work) = &mut self.work {
            work.plan.more(more);
        }
    }
}

#[cfg(test)]
impl Collection {
    /// So many pieces of content in one transaction, so that a few are several.
    pub(super) fn in_pieces_of(&mut self, batch: usize) {
        if let Some(work) = &mut self.work {
            work.batch = batch;
        }
    }
}

impl Work {
    /// A piece of the partials that go first.
    async fn let_partials_go(&mut self, inner: &Arc<Inner>) -> Result<Taken, CacheError> {
        let count = self.partials.len().min(self.batch);
        let piece: Vec<_> = self.partials.drain(..count).collect();
        let meant: Amount = piece.iter().map(|(_, leftover)| leftover.amount()).sum();
        let gone = inner.condemn_leftovers(&piece).await?;
        let mut taken = Taken {
            units: gone.len() as u64,
            spared: (count - gone.len()) as u64,
            ..Taken::default()
        };
        taken.add(gone);
        let freed = Amount::new(taken.bytes, taken.units);
        self.freed += freed;
        if freed != meant {
            // Something else has to go in the place of those that are being filled again.
            self.plan.more(meant.less(freed));
        }
        Ok(taken)
    }

    /// How the plan stands, with what went before it.
    fn outcome(&self) -> Outcome {
        match self.plan.outcome() {
            Outcome::Met if !self.partials.is_empty() => Outcome::Open,
            Outcome::Short(verdict) => Outcome::Short(Verdict {
                goal: verdict.goal + self.freed,
                freed: verdict.freed + self.freed,
                total: verdict.total + self.freed,
                ..verdict
            }),
            outcome => outcome,
        }
    }

    fn next_piece(&mut self) -> Vec<Step> {
        let mut piece = Vec::new();
        let mut members = 0;
        while members < self.batch {
            let Some(step) = self.plan.next() else { break };
            members += step.freed.len().max(1);
            piece.push(step);
        }
        piece
    }

    /// What the steps mean in the index, after the live records were told of the second chances.
    fn units(&mut self, inner: &Inner, piece: &[Step]) -> Result<Vec<Unit>, CacheError> {
        for member in &self.plan.spared()[self.told..] {
            inner.uses.spared(self.census.names.get(*member));
        }
        self.told = self.plan.spared().len();
        let numbers: HashMap<_, _> = piece
            .iter()
            .enumerate()
            .filter_map(|(number, step)| Some((step.image?, number)))
            .collect();
        let mut units = Vec::with_capacity(piece.len());
        for (number, step) in piece.iter().enumerate() {
            let mut unit = self.census.unit(inner, &step.roots, &step.freed)?;
            let owners = step.freed.iter().flat_map(|member| self.plan.owners(*member));
            unit.after = owners.filter_map(|owner| numbers.get(&owner).copied()).collect();
            unit.after.retain(|before| *before < number);
            unit.after.sort_unstable();
            unit.after.dedup();
            units.push(unit);
        }
        Ok(units)
    }
}
