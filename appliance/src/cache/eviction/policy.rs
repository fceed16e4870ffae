//! GDSF, LRU or S3-FIFO: what a record says at a use, and in which order records go.
//!
//! - *GDSF*: a score of (the clock when it was last used) + frequency × cost ÷ √price. The clock is the highest
//!   score that was ever evicted, so that what is not used falls behind.
//! - *LRU*: the longest unused first.
//! - *S3-FIFO*: a short queue for newcomers and a long one for those that were used again; no use moves
//!   anything, and what was used gets a second chance when its turn comes, at most three times.
//!
//! Promises: all records have one order, whatever is in them. Must not know: whose record it is, how large
//! anything is before it is ranked.

use std::time::Duration;

use super::{
    amount::{Cost, Price},
    ghosts::{Fingerprint, Ghosts},
    record::{Frequency, Lane, Record, seconds},
};
use crate::clock::Timestamp;

pub use crate::config::Policy as Kind;

/// How strongly size counts. See "Eviction, measured" in ARCHITECTURE.md.
const EXPONENT: f64 = 0.5;

/// In such a time without use, half of the demand is forgotten: what was hot last month does not stay for
/// ever, and what is asked for once a week is not forgotten.
const HALF_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The smallest price: a block. Below it, size says nothing about room.
const LEAST_PRICE: f64 = 512.0;

/// What of a ghost's demand counts when it comes back.
const RETURNING: f64 = 1.0;

/// Ghosts at most: 384 KiB.
const GHOSTS: usize = 32 << 10;

/// More uses than that, S3-FIFO does not count.
const S3_USES: Frequency = Frequency::uses(4);

/// A clock beyond this is no clock but a damaged record: one eviction moves it by 360 at most, and usually by
/// a thousandth.
const CLOCK_LIMIT: f64 = 1e9;

/// A place in the order in which things go: the lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u64);

impl Rank {
    /// Numbers that are not negative have the order of their bits.
    fn of_score(score: f64) -> Self {
        Self(if score >= 0.0 { score.to_bits() } else { 0 })
    }

    fn score(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// The order itself: a small value that a plan takes along.
#[derive(Clone, Copy, Debug)]
pub struct Ranking {
    kind: Kind,
    /// How many have stood in S3-FIFO's queues.
    sequence: u64,
}

impl Ranking {
    /// Where a record stands at `now`, for content of this price that costs so much to fetch again.
    pub fn rank(&self, record: &Record, price: Price, cost: Cost, now: Timestamp) -> Rank {
        match self.kind {
            Kind::Lru => Rank(record.last.into()),
            Kind::S3Fifo => Rank(record.mark),
            Kind::Gdsf => {
                let demand = aged(record.last, record.frequency, now).get();
                let size = price.get().max(LEAST_PRICE).powf(EXPONENT);
                Rank::of_score(f64::from_bits(record.mark) + demand * cost.factor() / size)
            }
        }
    }

    /// Whether what is due to go stays once more. It is then at the end of the queue, and has one use less to
    /// its credit, so that it cannot stay for ever.
    pub fn spare(&mut self, record: &mut Record) -> bool {
        let credit = match (self.kind, record.lane) {
            (Kind::Gdsf | Kind::Lru, _) => return false,
            // One use was its arrival, and one more may be the same pull tried again.
            (Kind::S3Fifo, Lane::Probation) => Frequency::uses(2),
            (Kind::S3Fifo, Lane::Main) => Frequency::uses(1),
        };
        if record.frequency <= credit {
            return false;
        }
        if record.lane == Lane::Main {
            record.frequency = record.frequency.once_less();
        }
        record.lane = Lane::Main;
        record.mark = self.next();
        true
    }

    fn next(&mut self) -> u64 {
        self.sequence = self.sequence.saturating_add(1);
        self.sequence
    }

    /// Which queue a record stands in: policies with one have all in the first.
    pub(super) fn lane(&self, record: &Record) -> Lane {
        match self.kind {
            Kind::S3Fifo => record.lane,
            Kind::Gdsf | Kind::Lru => Lane::Probation,
        }
    }

    fn author(&self) -> u8 {
        // Written to disks: never to be numbered anew.
        match self.kind {
            Kind::Gdsf => 1,
            Kind::Lru => 2,
            Kind::S3Fifo => 3,
        }
    }
}

/// The policy and what it remembers as a whole. A few hundred KiB.
#[derive(Clone, Debug)]
pub struct Policy {
    ranking: Ranking,
    /// GDSF's clock: the highest score that was evicted.
    clock: f64,
    ghosts: Ghosts,
}

impl Policy {
    pub fn new(kind: Kind) -> Self {
        Self {
            ranking: Ranking { kind, sequence: 0 },
            clock: 0.0,
            ghosts: Ghosts::new(GHOSTS),
        }
    }

    pub fn kind(&self) -> Kind {
        self.ranking.kind
    }

    /// The order that a plan needs.
    pub fn ranking(&self) -> Ranking {
        self.ranking
    }

    /// The record of something that is stored now.
    pub fn admit(&mut self, name: Fingerprint, now: Timestamp) -> Record {
        let known = self.ghosts.recall(name);
        let (frequency, lane) = match (self.kind(), known) {
            (Kind::S3Fifo, Some(_)) => (Frequency::uses(1), Lane::Main),
            (Kind::S3Fifo, None) => (Frequency::uses(1), Lane::Probation),
            (Kind::Gdsf | Kind::Lru, known) => {
                let before = known.map_or(Frequency::default(), |(last, frequency)| {
                    aged(last, frequency, now).scaled(RETURNING)
                });
                (before.once_more(), Lane::Probation)
            }
        };
        let mark = match self.kind() {
            Kind::Gdsf => self.clock.to_bits(),
            Kind::Lru => 0,
            Kind::S3Fifo => self.ranking.next(),
        };
        Record {
            last: seconds(now),
            frequency,
            lane,
            author: self.ranking.author(),
            mark,
        }
    }

    /// The record of something that is here and of which nothing is remembered: it came at `created`, was of
    /// use then, and never since.
    pub fn unseen(&self, created: Timestamp) -> Record {
        Record {
            last: seconds(created),
            frequency: Frequency::uses(1),
            lane: Lane::Probation,
            author: self.ranking.author(),
            mark: match self.kind() {
                Kind::Gdsf | Kind::Lru => 0,
                Kind::S3Fifo => created.0.min(u64::MAX / 2),
            },
        }
    }

    /// It was used.
    pub fn touch(&self, record: &mut Record, now: Timestamp) {
        match self.kind() {
            Kind::S3Fifo => record.frequency = record.frequency.once_more().min(S3_USES),
            Kind::Gdsf | Kind::Lru => {
                record.frequency = aged(record.last, record.frequency, now).once_more();
            }
        }
        if self.kind() == Kind::Gdsf {
            record.mark = self.clock.to_bits();
        }
        // A clock that stands behind the record's time must not make it look unused.
        record.last = record.last.max(seconds(now));
    }

    /// Takes over a record that an earlier process wrote, perhaps under another policy, perhaps damaged. All
    /// records are to be learnt before anything is admitted: the policy's own clock comes out of them.
    pub fn learn(&mut self, mut record: Record, now: Timestamp) -> Record {
        // A time that has not come yet would keep it at the hot end until it has.
        record.last = record.last.min(seconds(now));
        if record.author != self.ranking.author() {
            record.author = self.ranking.author();
            record.lane = Lane::Probation;
            // The order of last uses is what all policies have in common.
            record.mark = match self.kind() {
                Kind::Gdsf | Kind::Lru => 0,
                Kind::S3Fifo => record.last.into(),
            };
        }
        match self.kind() {
            Kind::Lru => record.mark = 0,
            Kind::Gdsf => {
                let mark = f64::from_bits(record.mark);
                if (0.0..CLOCK_LIMIT).contains(&mark) {
                    self.clock = self.clock.max(mark);
                } else {
                    record.mark = 0;
                }
            }
            Kind::S3Fifo => {
                record.frequency = record.frequency.min(S3_USES);
                // Half of the numbers are enough for every box; the other half is damage.
                record.mark = record.mark.min(u64::MAX / 2);
                self.ranking.sequence = self.ranking.sequence.max(record.mark);
            }
        }
        record
    }

    /// Gives the second chances that a plan gave: see [`super::Plan::spared`].
    pub fn spare(&mut self, record: &mut Record) -> bool {
        self.ranking.spare(record)
    }

    /// Something went, as part of what stood at `rank`.
    pub fn on_evicted(&mut self, name: Fingerprint, record: &Record, rank: Rank) {
        if self.kind() == Kind::Gdsf && rank.score() < CLOCK_LIMIT {
            self.clock = self.clock.max(rank.score());
        }
        self.ghosts.remember(name, record);
    }
}

/// What is left of a frequency after the time without use. A time that has not come yet: all of it.
fn aged(last: u32, frequency: Frequency, now: Timestamp) -> Frequency {
    match Timestamp(last.into()).age(now) {
        None | Some(Duration::ZERO) => frequency,
        Some(age) => frequency.scaled((-age.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()),
    }
}
