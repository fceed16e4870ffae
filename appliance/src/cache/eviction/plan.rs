//! The order in which to let go, until there is room.
//!
//! Units wait in a heap by their rank. When one is taken, what it shared weighs more on those that still
//! have it, and they are ranked anew; so is one that comes up and whose rank has risen meanwhile. Ranking is
//! done when a share changes by much (at each of the last few owners, then at powers of two), so that a layer
//! of ten thousand images does not mean ten thousand times ten thousand rankings.
//!
//! Promises: see the invariants in [`super`]; a step is taken only if its unit has something of what is still
//! short; the last step of a plan that meets its goal was needed. Must not know: how a step is carried out.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    amount::{Amount, Exchange},
    catalog::{Catalog, Hold, ImageId, MemberId, number},
    policy::{Rank, Ranking},
    standing::{Standing, Unit, Waste},
    verdict::{Outcome, Verdict},
};
use crate::clock::Timestamp;

/// S3-FIFO's newcomers go first while they have more than this part of all.
const PROBATION: f64 = 0.1;

/// One unit that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The roots that are no longer listed: an image, and what is about it. None: a loose member.
    pub roots: Vec<MemberId>,
    /// The image, unless it is a loose member.
    pub image: Option<ImageId>,
    /// What nobody has any more, the roots among it.
    pub freed: Vec<MemberId>,
    /// What that gives back.
    pub frees: Amount,
    /// For [`super::Policy::on_evicted`].
    pub rank: Rank,
}

/// What waits, in the order in which it goes: among equals what wastes least, then by number.
type Place = (Rank, Waste, Unit);

type Queue = BinaryHeap<Reverse<Place>>;

/// A sequence of steps: take as many as are needed.
#[derive(Debug)]
pub struct Plan {
    pub(super) catalog: Catalog,
    pub(super) ranking: Ranking,
    pub(super) exchange: Exchange,
    pub(super) now: Timestamp,
    goal: Amount,
    freed: Amount,
    /// What a byte and an inode count for now: the more, the shorter it is.
    pub(super) weights: (f64, f64),
    queues: [Queue; 2],
    /// The price of all that waits in each queue.
    waiting: [f64; 2],
    /// By unit.
    pub(super) gone: Vec<bool>,
    spared: Vec<MemberId>,
}

impl Plan {
    pub fn new(catalog: Catalog, ranking: Ranking, exchange: Exchange, goal: Amount, now: Timestamp) -> Self {
        let units = catalog.images() + catalog.members();
        let mut plan = Self {
            catalog,
            ranking,
            exchange,
            now,
            goal,
            freed: Amount::NOTHING,
            weights: (1.0, 1.0),
            queues: [Queue::new(), Queue::new()],
            waiting: [0.0; 2],
            gone: vec![false; units],
            spared: Vec::new(),
        };
        plan.line_up();
        plan
    }

    /// Asks for more than was planned for: what was freed turned out not to be enough.
    pub fn more(&mut self, more: Amount) {
        self.goal = self.freed + self.goal.less(self.freed) + more;
        self.line_up();
    }

    /// A step was not carried out: its unit stays, and so does all that it needs. What later steps have freed
    /// already is for the caller to compare: see [`Plan::owners`].
    pub fn stays(&mut self, step: &Step) {
        if let Some(image) = step.image {
            for at in 0..self.catalog.closure(image).len() {
                let member = self.catalog.closure(image)[at] as usize;
                self.catalog.holds[member] = self.catalog.holds[member] | Hold::IN_USE;
            }
        }
        self.more(step.frees);
    }

    /// The images that had a member when the plan was made.
    pub fn owners(&self, member: MemberId) -> impl Iterator<Item = ImageId> {
        self.catalog
            .owners
            .of_member(member)
            .iter()
            .map(|unit| ImageId(*unit))
    }

    /// How it stands.
    pub fn outcome(&self) -> Outcome {
        if self.freed.meets(self.goal) {
            Outcome::Met
        } else if self.queues.iter().all(Queue::is_empty) {
            Outcome::Short(Verdict::of(&self.catalog, self.goal, self.freed))
        } else {
            Outcome::Open
        }
    }

    /// What was freed so far.
    pub fn freed(&self) -> Amount {
        self.freed
    }

    /// Members that were due and got a second chance, in that order and as often as they got it: their live
    /// records are to be given to [`super::Policy::spare`].
    pub fn spared(&self) -> &[MemberId] {
        &self.spared
    }

    /// What is still here.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The memory that it takes, in bytes, the catalog included.
    pub fn memory(&self) -> usize {
        let queued: usize = self.queues.iter().map(BinaryHeap::capacity).sum();
        self.catalog.memory()
            + queued * size_of::<Place>()
            + self.gone.capacity()
            + self.spared.capacity() * 4
    }
}

impl Iterator for Plan {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        loop {
            let short = self.goal.less(self.freed);
            if short == Amount::NOTHING {
                return None;
            }
            let bytes_are_done = short.bytes == 0 && self.weights.0 > 0.0;
            let inodes_are_done = short.inodes == 0 && self.weights.1 > 0.0;
            if bytes_are_done || inodes_are_done {
                self.line_up();
            }
            let Reverse((rank, _, unit)) = self.pop()?;
            if self.gone[unit.0 as usize] {
                continue;
            }
            let standing = self.standing(unit);
            let serves = short.bytes > 0 && standing.bytes > 0.0 || short.inodes > 0 && standing.inodes > 0.0;
            if !serves {
                continue;
            }
            if standing.rank > rank {
                self.push(unit, &standing);
                continue;
            }
            if self.spare(unit, &standing) {
                continue;
            }
            return Some(self.take(unit, &standing));
        }
    }
}

impl Plan {
    /// Weighs the resources by how short they are, and ranks all that may go.
    fn line_up(&mut self) {
        let short = self.goal.less(self.freed);
        let bytes = short.bytes as f64;
        let inodes = self.exchange.price(Amount::new(0, short.inodes)).get();
        let most = bytes.max(inodes);
        self.weights = if most > 0.0 {
            (bytes / most, inodes / most)
        } else {
            (0.0, 1.0)
        };
        let mut lists = std::mem::take(&mut self.queues).map(BinaryHeap::into_vec);
        lists.iter_mut().for_each(Vec::clear);
        self.waiting = [0.0; 2];
        let units = (0..number(self.gone.len())).map(Unit);
        let mut counts = [0; 2];
        for unit in units.clone().filter(|unit| self.is_candidate(*unit)) {
            counts[self.ranking.lane(&self.record(unit)) as usize] += 1;
        }
        for (list, count) in lists.iter_mut().zip(counts) {
            // With room for images that are ranked anew, so that a long list need not be doubled.
            list.reserve_exact(count + 2 * self.catalog.images());
        }
        for unit in units {
            if self.is_candidate(unit) {
                let standing = self.standing(unit);
                let lane = self.ranking.lane(&standing.record) as usize;
                self.waiting[lane] += standing.price(self.exchange).get();
                lists[lane].push(Reverse((standing.rank, standing.waste, unit)));
            }
        }
        self.queues = lists.map(BinaryHeap::from);
    }

    /// The next that is due: newcomers, while they have more than their part.
    fn pop(&mut self) -> Option<Reverse<Place>> {
        let [probation, main] = self.waiting;
        let order = if probation > PROBATION * (probation + main) {
            [0, 1]
        } else {
            [1, 0]
        };
        order.into_iter().find_map(|lane| self.queues[lane].pop())
    }

    fn push(&mut self, unit: Unit, standing: &Standing) {
        let lane = self.ranking.lane(&standing.record);
        self.queues[lane as usize].push(Reverse((standing.rank, standing.waste, unit)));
    }

    /// Gives a unit its second chance, if it has one.
    fn spare(&mut self, unit: Unit, standing: &Standing) -> bool {
        let before = self.spared.len();
        let mut own = match self.image(unit) {
            Some(image) => self.own(image).collect(),
            None => vec![self.member(unit)],
        };
        own.sort_unstable();
        own.dedup();
        for member in own {
            if self.ranking.spare(&mut self.catalog.records[member.index()]) {
                self.spared.push(member);
            }
        }
        if self.spared.len() == before {
            return false;
        }
        let price = standing.price(self.exchange).get();
        let spared = self.standing(unit);
        self.waiting[self.ranking.lane(&standing.record) as usize] -= price;
        self.waiting[self.ranking.lane(&spared.record) as usize] += price;
        self.push(unit, &spared);
        true
    }

    fn take(&mut self, unit: Unit, standing: &Standing) -> Step {
        let price = standing.price(self.exchange);
        self.gone[unit.0 as usize] = true;
        self.waiting[self.ranking.lane(&standing.record) as usize] -= price.get();
        let mut step = Step {
            roots: Vec::new(),
            image: self.image(unit),
            freed: Vec::new(),
            frees: Amount::NOTHING,
            // At its price, not at what it was worth to this plan.
            rank: self
                .ranking
                .rank(&standing.record, price, standing.cost, self.now),
        };
        match self.image(unit) {
            None => step.freed.push(self.member(unit)),
            Some(image) => self.release(image, &mut step),
        }
        for member in &step.freed {
            step.frees += self.catalog.amount(*member);
        }
        self.freed += step.frees;
        step
    }

    /// Takes an image's members away from it, and ranks anew who has more of them now.
    fn release(&mut self, image: ImageId, step: &mut Step) {
        step.roots.extend(self.catalog.roots(image));
        let mut nearer = Vec::new();
        for at in 0..self.catalog.closure(image).len() {
            let member = MemberId(self.catalog.closure(image)[at]);
            self.catalog.units[member.index()] -= 1;
            let left = self.catalog.units[member.index()];
            if left == 0 && self.catalog.holds[member.index()].is_free() {
                self.gone[self.catalog.images() + member.index()] = true;
                step.freed.push(member);
            } else if left > 0 && (left <= 4 || left.is_power_of_two()) {
                nearer.extend_from_slice(self.catalog.owners.of_member(member));
            }
        }
        nearer.sort_unstable();
        nearer.dedup();
        for unit in nearer.into_iter().map(Unit) {
            if self.is_candidate(unit) {
                let standing = self.standing(unit);
                self.push(unit, &standing);
            }
        }
    }
}
