//! What was sampled since the last block.
//!
//! Promises: memory is bounded by the board's series; a minute is looked at once, when it is over, so that the board is
//! needed for some microseconds a minute. Must not know: where it goes.

use std::collections::BTreeMap;

use super::{
    Fineness, Summary,
    block::{Hash, SLOTS, Slots, decode, encode},
};
use crate::{clock::Timestamp, monitor::Board};

/// Ten minutes that are over, or that end here.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed {
    pub(super) begin: Timestamp,
    /// By the minute, and of all of it.
    pub(super) minutes: Vec<u8>,
    pub(super) whole: Vec<u8>,
}

/// Gathers.
#[derive(Debug, Default)]
pub struct Gatherer {
    /// The minute that is not over.
    minute: Option<Timestamp>,
    /// The ten minutes that are not over, by the minute.
    begin: Timestamp,
    slots: BTreeMap<Hash, Box<Slots>>,
}

impl Gatherer {
    /// Goes on with ten minutes that an earlier process has begun, if they are not over.
    pub fn resume(begun: Option<&Sealed>) -> Self {
        let Some(begun) = begun else {
            return Self::default();
        };
        let slots = decode(&begun.minutes).map(|(hash, slots)| (hash, Box::new(slots)));
        Self {
            minute: None,
            begin: begun.begin,
            slots: slots.collect(),
        }
    }

    /// Goes on with what an earlier process has begun, which turned out a moment after this one began to gather.
    pub fn go_on(&mut self, begun: Option<&Sealed>) {
        let earlier = Self::resume(begun);
        if self.slots.is_empty() {
            (self.begin, self.slots) = (earlier.begin, earlier.slots);
        } else if self.begin == earlier.begin {
            for (hash, before) in earlier.slots {
                let slots = self.slots.entry(hash).or_default();
                for (slot, before) in slots.iter_mut().zip(*before) {
                    *slot = slot.or(before);
                }
            }
        }
    }

    /// Takes what the board has of the minute that is over. Ten minutes that are over come back.
    pub fn gather(&mut self, board: &Board, now: Timestamp) -> Option<Sealed> {
        let minute = Timestamp(now.0 - now.0 % Fineness::Minute.step());
        let before = self.minute.replace(minute)?;
        if before == minute {
            return None;
        }
        let sealed = self.turn_to(before);
        self.take(board, before);
        // Nothing comes into them any more.
        let also = self.turn_to(minute);
        also.or(sealed)
    }

    /// What has been gathered so far. For the end.
    pub fn seal(&mut self, board: &Board) -> Option<Sealed> {
        if let Some(minute) = self.minute.take() {
            self.turn_to(minute);
            self.take(board, minute);
        }
        self.sealed()
    }

    fn take(&mut self, board: &Board, minute: Timestamp) {
        let step = Fineness::Minute.step();
        let slot = ((minute.0 - self.begin.0) / step) as usize;
        for (series, ring) in board.rings() {
            let points = ring
                .since(minute)
                .take_while(|point| point.at.0 < minute.0 + step);
            if let Some(summary) = Summary::of(points.map(|point| point.value)) {
                let slots = self.slots.entry(Hash::of(series)).or_default();
                slots[slot.min(SLOTS - 1)] = Some(summary);
            }
        }
    }

    /// Goes on to the ten minutes that a time is in; those before come back, if there is anything in them.
    fn turn_to(&mut self, at: Timestamp) -> Option<Sealed> {
        let begin = Fineness::Minute.begin(at);
        if begin == self.begin {
            return None;
        }
        let sealed = self.sealed();
        self.begin = begin;
        // What was not sampled in them is not there any more.
        self.slots.retain(|_, slots| slots.iter().any(Option::is_some));
        for slots in self.slots.values_mut() {
            **slots = Slots::default();
        }
        sealed
    }

    fn sealed(&self) -> Option<Sealed> {
        if self.slots.values().all(|slots| slots.iter().all(Option::is_none)) {
            return None;
        }
        let minutes = self.slots.iter().map(|(hash, slots)| (*hash, &**slots));
        let whole: Vec<(Hash, Slots)> = self
            .slots
            .iter()
            .map(|(hash, slots)| (*hash, first(Summary::over(slots.iter().flatten().copied()))))
            .collect();
        Some(Sealed {
            begin: self.begin,
            minutes: encode(SLOTS, minutes),
            whole: encode(1, whole.iter().map(|(hash, slots)| (*hash, slots))),
        })
    }
}

/// A summary alone.
pub(super) fn first(summary: Option<Summary>) -> Slots {
    let mut slots = Slots::default();
    slots[0] = summary;
    slots
}
