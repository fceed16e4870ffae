//! Putting history on a shelf, and finding it there.
//!
//! Promises: what the shelf refuses is tried again with the next ten minutes, for an hour; what is there is never more
//! than [`Limits`] allow. Must not know: what was sampled.

use std::collections::{BTreeMap, VecDeque};

use super::{
    Fineness, Summary,
    block::{Hash, decode, encode},
    gatherer::{Sealed, first},
    shelf::{Batch, Shelf, ShelfError},
};
use crate::{clock::Timestamp, rule::Series};

/// So many ten minutes wait for a shelf that refuses.
const WAITING: usize = 6;

/// What history may take on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, without what the shelf adds to them.
    pub bytes: u64,
}

impl Limits {
    /// A two-hundredth of the disk: nothing of it is missed on a large one, and some hours fit on a small one.
    pub fn of_disk(bytes: u64) -> Self {
        Self {
            bytes: (bytes / 200).clamp(64 << 10, 16 << 20),
        }
    }
}

/// What is on the shelf, by how fine it is.
type Held = BTreeMap<(Fineness, Timestamp), u64>;

/// History on a shelf.
#[derive(Debug)]
pub struct Archive<S> {
    shelf: S,
    limits: Limits,
    waiting: VecDeque<Sealed>,
    held: Held,
    lost: u64,
}

impl<S: Shelf> Archive<S> {
    /// Looks through what is there.
    pub fn open(shelf: S, limits: Limits) -> Result<Self, ShelfError> {
        let mut held = Held::new();
        for fineness in Fineness::ALL {
            shelf.read(
                fineness,
                Timestamp(0),
                Timestamp(u64::MAX),
                &mut |begin, block| {
                    held.insert((fineness, begin), block.len() as u64);
                },
            )?;
        }
        Ok(Self {
            shelf,
            limits,
            waiting: VecDeque::new(),
            held,
            lost: 0,
        })
    }

    /// The ten minutes that are not over, as far as an earlier process has put them here.
    pub fn begun(&self, now: Timestamp) -> Result<Option<Sealed>, ShelfError> {
        let begin = Fineness::Minute.begin(now);
        let mut begun = None;
        self.shelf
            .read(Fineness::Minute, begin, begin, &mut |begin, block| {
                begun = Some(Sealed {
                    begin,
                    minutes: block.to_vec(),
                    whole: Vec::new(),
                });
            })?;
        Ok(begun)
    }

    /// Puts ten minutes on the shelf, and what waits for it, in one transaction. Waits for the disk.
    pub fn keep(&mut self, sealed: Sealed, now: Timestamp) -> Result<(), ShelfError> {
        if self.waiting.len() >= WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(sealed);
        let batch = self.batch(now)?;
        self.shelf.write(&batch)?;
        self.waiting.clear();
        for (fineness, oldest) in &batch.keep_from {
            self.held
                .retain(|(held, begin), _| held != fineness || begin >= oldest);
        }
        for (fineness, begin, block) in &batch.put {
            self.held.insert((*fineness, *begin), block.len() as u64);
        }
        Ok(())
    }

    /// Times of ten minutes that the shelf has refused for an hour.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// A series in a time, the oldest first.
    pub fn read(
        &self,
        series: &Series,
        fineness: Fineness,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Summary)>, ShelfError> {
        let wanted = Hash::of(series);
        let mut found = BTreeMap::new();
        let mut take = |begin: Timestamp, block: &[u8]| {
            let slots = decode(block).find(|(hash, _)| *hash == wanted);
            for (slot, summary) in slots.into_iter().flat_map(|(_, slots)| slots).enumerate() {
                let at = Timestamp(begin.0 + slot as u64 * fineness.step());
                if let Some(summary) = summary.filter(|_| (from..=to).contains(&at)) {
                    found.insert(at, summary);
                }
            }
        };
        self.shelf.read(fineness, fineness.begin(from), to, &mut take)?;
        for sealed in &self.waiting {
            match fineness {
                Fineness::Minute => take(sealed.begin, &sealed.minutes),
                Fineness::TenMinutes => take(sealed.begin, &sealed.whole),
                Fineness::TwoHours => {}
            }
        }
        Ok(found.into_iter().collect())
    }

    fn batch(&self, now: Timestamp) -> Result<Batch, ShelfError> {
        let mut put = Vec::new();
        for sealed in &self.waiting {
            put.push((Fineness::Minute, sealed.begin, sealed.minutes.clone()));
            put.push((Fineness::TenMinutes, sealed.begin, sealed.whole.clone()));
        }
        put.extend(self.two_hours()?);
        let keep_from = Fineness::ALL.map(|fineness| (fineness, self.oldest(fineness, &put, now)));
        Ok(Batch {
            put,
            keep_from: keep_from.to_vec(),
        })
    }

    /// Two hours that are over and not summed up yet. They are made of what is kept of ten minutes, so that a restart in
    /// between costs nothing.
    fn two_hours(&self) -> Result<Vec<(Fineness, Timestamp, Vec<u8>)>, ShelfError> {
        let step = Fineness::TwoHours.span();
        let begins_of = |fineness| {
            let all = (fineness, Timestamp(0))..=(fineness, Timestamp(u64::MAX));
            self.held.range(all).map(|((_, begin), _)| *begin)
        };
        let Some(last) = self.waiting.back() else {
            return Ok(Vec::new());
        };
        let over = Fineness::TwoHours.begin(Timestamp(last.begin.0 + Fineness::TenMinutes.span()));
        let next = begins_of(Fineness::TwoHours)
            .next_back()
            .map(|begin| begin.0 + step);
        let earliest = begins_of(Fineness::TenMinutes)
            .chain(self.waiting.iter().map(|sealed| sealed.begin))
            .min()
            .map_or(over, |begin| Fineness::TwoHours.begin(begin));
        let mut rows = Vec::new();
        let mut begin = next.map_or(earliest, |next| earliest.max(Timestamp(next)));
        while begin < over {
            let end = Timestamp(begin.0 + step - 1);
            let mut times: BTreeMap<Hash, Vec<Summary>> = BTreeMap::new();
            let mut take = |_: Timestamp, block: &[u8]| {
                for (hash, slots) in decode(block) {
                    times.entry(hash).or_default().extend(slots[0]);
                }
            };
            self.shelf.read(Fineness::TenMinutes, begin, end, &mut take)?;
            for sealed in self
                .waiting
                .iter()
                .filter(|sealed| (begin..=end).contains(&sealed.begin))
            {
                take(sealed.begin, &sealed.whole);
            }
            let whole: Vec<_> = times
                .into_iter()
                .map(|(hash, times)| (hash, first(Summary::over(times.into_iter()))))
                .collect();
            if !whole.is_empty() {
                let block = encode(1, whole.iter().map(|(hash, slots)| (*hash, slots)));
                rows.push((Fineness::TwoHours, begin, block));
            }
            begin = Timestamp(begin.0 + step);
        }
        Ok(rows)
    }

    /// What is older than this goes: it has had its time, or there is no room for it.
    fn oldest(
        &self,
        fineness: Fineness,
        put: &[(Fineness, Timestamp, Vec<u8>)],
        now: Timestamp,
    ) -> Timestamp {
        let all = (fineness, Timestamp(0))..=(fineness, Timestamp(u64::MAX));
        let held = self.held.range(all).map(|((_, begin), length)| (*begin, *length));
        let new = put.iter().filter(|(of, ..)| *of == fineness);
        let mut lengths: BTreeMap<Timestamp, u64> = held.collect();
        lengths.extend(new.map(|(_, begin, block)| (*begin, block.len() as u64)));
        let mut left = self.limits.bytes / Fineness::ALL.len() as u64;
        let mut oldest = Timestamp(u64::MAX);
        for (begin, length) in lengths.iter().rev() {
            let Some(rest) = left.checked_sub(*length) else {
                break;
            };
            (left, oldest) = (rest, *begin);
        }
        // The newest stays, however large it is.
        let newest = lengths.keys().next_back().copied().unwrap_or(now);
        oldest.min(newest).max(fineness.oldest(now).min(newest))
    }
}
