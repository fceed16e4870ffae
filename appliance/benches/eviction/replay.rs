//! Replays a trace against a cache of which only the arithmetic is real.

use std::collections::BTreeSet;

use larder::{
    cache::eviction::{
        Amount, Builder, Capacity, Catalog, Cost, Exchange, Fingerprint, Hold, Kind, Member, MemberId,
        Outcome, Plan, Policy, Record,
    },
    clock::Timestamp,
};

use super::trace::{Request, Trace, spread};

/// What a manifest takes: it is inline.
const MANIFEST: Amount = Amount::new(2048, 0);

/// What goes as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    Blobs,
    Images,
}

/// How the cache decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// What the product does: by plans, between the marks.
    Production(Kind, Grouping),
    /// What is measured against: LRU of blobs, one out for one in, at the brim.
    Brim,
}

/// A cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) algorithm: Algorithm,
    pub(crate) capacity: Amount,
    pub(crate) inline_below: u64,
    /// The trace's time: a line's worth.
    pub(crate) seconds_per_line: f64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) bytes: u64,
    pub(crate) hit_bytes: u64,
    pub(crate) pulls: u64,
    pub(crate) whole_pulls: u64,
    pub(crate) evicted: u64,
    pub(crate) plans: u64,
    /// The most that was used.
    pub(crate) peak: Amount,
}

struct Replay<'t> {
    trace: &'t Trace,
    setup: Setup,
    policy: Policy,
    exchange: Exchange,
    /// By content: blobs, then manifests.
    records: Vec<Option<Record>>,
    used: Amount,
    score: Score,
    /// For [`Algorithm::Brim`]: the order of last uses.
    order: BTreeSet<(u64, u32)>,
    last: Vec<u64>,
}

pub(crate) fn replay(trace: &Trace, setup: Setup) -> Score {
    let kind = match setup.algorithm {
        Algorithm::Production(kind, _) => kind,
        Algorithm::Brim => Kind::Lru,
    };
    let contents = trace.sizes.len() + trace.images.len();
    let mut replay = Replay {
        trace,
        setup,
        policy: Policy::new(kind),
        exchange: Exchange::of(Capacity(setup.capacity)),
        records: vec![None; contents],
        used: Amount::NOTHING,
        score: Score::default(),
        order: BTreeSet::new(),
        last: vec![0; contents],
    };
    replay.run();
    replay.score
}

impl Replay<'_> {
    fn run(&mut self) {
        let mut whole = vec![true; self.trace.pulls as usize];
        let per_request =
            self.trace.lines as f64 / self.trace.requests.len() as f64 * self.setup.seconds_per_line;
        for (number, request) in self.trace.requests.iter().enumerate() {
            let now = Timestamp(1_500_000_000 + (number as f64 * per_request) as u64);
            match *request {
                Request::Manifest { image, pull } => {
                    let content = self.trace.sizes.len() as u32 + image;
                    whole[pull as usize] &= self.ask(content, now, number as u64);
                }
                Request::Blob { blob, pull } => {
                    let size = self.trace.sizes[blob as usize];
                    let hit = self.ask(blob, now, number as u64);
                    self.score.requests += 1;
                    self.score.bytes += size;
                    if hit {
                        self.score.hits += 1;
                        self.score.hit_bytes += size;
                    }
                    if let Some(pull) = pull {
                        whole[pull as usize] &= hit;
                    }
                }
            }
        }
        self.score.pulls = whole.len() as u64;
        self.score.whole_pulls = whole.iter().filter(|whole| **whole).count() as u64;
    }

    fn amount(&self, content: u32) -> Amount {
        match self.trace.sizes.get(content as usize) {
            None => MANIFEST,
            Some(size) => Amount::new(*size, u64::from(*size >= self.setup.inline_below)),
        }
    }

    /// One request; whether it was a hit.
    fn ask(&mut self, content: u32, now: Timestamp, number: u64) -> bool {
        self.order.remove(&(self.last[content as usize], content));
        self.order.insert((number, content));
        self.last[content as usize] = number;
        if let Some(record) = &mut self.records[content as usize] {
            self.policy.touch(record, now);
            return true;
        }
        self.records[content as usize] = Some(self.policy.admit(name(content), now));
        self.used += self.amount(content);
        self.score.peak.bytes = self.score.peak.bytes.max(self.used.bytes);
        self.score.peak.inodes = self.score.peak.inodes.max(self.used.inodes);
        match self.setup.algorithm {
            Algorithm::Brim => self.drop_the_oldest(),
            Algorithm::Production(_, grouping) => self.collect(grouping, now),
        }
        false
    }

    fn over(&self, part: f64) -> Amount {
        let Amount { bytes, inodes } = self.setup.capacity;
        let mark = |of: u64| {
            if of == 0 {
                u64::MAX
            } else {
                (of as f64 * part) as u64
            }
        };
        self.used.less(Amount::new(mark(bytes), mark(inodes)))
    }

    fn drop_the_oldest(&mut self) {
        while self.over(1.0) != Amount::NOTHING {
            let (_, content) = self.order.pop_first().expect("something is here");
            self.evict(content);
        }
    }

    fn evict(&mut self, content: u32) -> Record {
        self.used = self.used.less(self.amount(content));
        self.score.evicted += 1;
        self.records[content as usize].take().expect("it was here")
    }

    /// Above the high mark: down to the low one, of what is above.
    fn collect(&mut self, grouping: Grouping, now: Timestamp) {
        let above = self.over(0.93);
        if above == Amount::NOTHING {
            return;
        }
        let excess = self.over(0.88);
        let goal = Amount {
            bytes: if above.bytes > 0 { excess.bytes } else { 0 },
            inodes: if above.inodes > 0 { excess.inodes } else { 0 },
        };
        self.score.plans += 1;
        let here: Vec<_> = (0..self.records.len() as u32)
            .filter(|content| self.records[*content as usize].is_some())
            .collect();
        let mut plan = Plan::new(
            self.catalog(&here, grouping),
            self.policy.ranking(),
            self.exchange,
            goal,
            now,
        );
        for step in plan.by_ref() {
            for member in step.freed {
                let content = here[member.index()];
                let record = self.evict(content);
                self.policy.on_evicted(name(content), &record, step.rank);
            }
        }
        for member in plan.spared() {
            if let Some(record) = &mut self.records[here[member.index()] as usize] {
                self.policy.spare(record);
            }
        }
        assert_eq!(plan.outcome(), Outcome::Met, "nothing is held");
    }

    fn catalog(&self, here: &[u32], grouping: Grouping) -> Catalog {
        let mut builder = Builder::with_capacity(here.len(), 0, 0);
        let mut ids = vec![None; self.records.len()];
        for content in here {
            if let Some(record) = self.records[*content as usize] {
                ids[*content as usize] = Some(builder.member(Member {
                    amount: self.amount(*content),
                    record,
                    hold: Hold::FREE,
                    cost: Cost::ORDINARY,
                }));
            }
        }
        if grouping == Grouping::Images {
            for (image, members) in self.trace.images.iter().enumerate() {
                if let Some(root) = ids[self.trace.sizes.len() + image] {
                    let members = members.iter().filter_map(|member| ids[*member as usize]);
                    builder.image(root, members.collect::<Vec<MemberId>>());
                }
            }
        }
        builder.build()
    }
}

fn name(content: u32) -> Fingerprint {
    Fingerprint(spread(u64::from(content) + 1))
}
