//! How much in demand something was that has gone.
//!
//! Most blobs are asked for once. One that comes back after it was evicted is worth more than one that is
//! new, and a little memory tells them apart.
//!
//! Promises: bounded memory, whatever comes and goes; the latest to go are remembered. May take one thing for
//! another, about once in four thousand million.

use super::record::{Frequency, Record};

/// A few bits of a name, evenly spread: the first eight bytes of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub u64);

/// What was evicted.
#[derive(Clone, Copy, Debug, Default)]
struct Ghost {
    /// The half of the fingerprint that does not say which set it is in.
    tag: u32,
    last: u32,
    /// None: nobody is here.
    frequency: Frequency,
}

/// Ghosts that share a place, the latest first.
const WAYS: usize = 8;

/// The latest to go, by their fingerprints.
#[derive(Clone, Debug)]
pub(super) struct Ghosts {
    sets: Vec<[Ghost; WAYS]>,
}

impl Ghosts {
    /// Room for about so many. At least eight.
    pub(super) fn new(entries: usize) -> Self {
        Self {
            sets: vec![[Ghost::default(); WAYS]; (entries / WAYS).max(1)],
        }
    }

    fn place(&self, fingerprint: Fingerprint) -> (usize, u32) {
        let set = (fingerprint.0 & u64::from(u32::MAX)) as usize % self.sets.len();
        (set, (fingerprint.0 >> 32) as u32)
    }

    /// Remembers what has gone, in place of what went longest ago.
    pub(super) fn remember(&mut self, fingerprint: Fingerprint, record: &Record) {
        if record.frequency == Frequency::default() {
            return;
        }
        let (set, tag) = self.place(fingerprint);
        let set = &mut self.sets[set];
        let from = set.iter().position(|ghost| ghost.tag == tag).unwrap_or(WAYS - 1);
        set[..=from].rotate_right(1);
        set[0] = Ghost {
            tag,
            last: record.last,
            frequency: record.frequency,
        };
    }

    /// Forgets what has come back, and says when it was last used and how often.
    pub(super) fn recall(&mut self, fingerprint: Fingerprint) -> Option<(u32, Frequency)> {
        let (set, tag) = self.place(fingerprint);
        let set = &mut self.sets[set];
        let at = set
            .iter()
            .position(|ghost| ghost.tag == tag && ghost.frequency > Frequency::default())?;
        let ghost = std::mem::take(&mut set[at]);
        // What is forgotten leaves its room behind the others.
        set[at..].rotate_left(1);
        Some((ghost.last, ghost.frequency))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record::Lane, *};

    fn record(uses: u8) -> Record {
        Record {
            last: 7,
            frequency: Frequency::uses(uses),
            lane: Lane::Probation,
            author: 0,
            mark: 0,
        }
    }

    fn name(number: u64) -> Fingerprint {
        Fingerprint(number << 32)
    }

    #[test]
    fn what_comes_back_is_known_once() {
        let mut ghosts = Ghosts::new(8);
        ghosts.remember(name(1), &record(3));
        assert_eq!(ghosts.recall(name(2)), None);
        assert_eq!(ghosts.recall(name(1)), Some((7, Frequency::uses(3))));
        assert_eq!(ghosts.recall(name(1)), None);
    }

    #[test]
    fn the_latest_are_remembered_and_no_more_than_there_is_room_for() {
        let mut ghosts = Ghosts::new(8);
        for number in 1..=12 {
            ghosts.remember(name(number), &record(1));
        }
        ghosts.remember(name(7), &record(2));
        ghosts.remember(name(13), &record(1));
        let known: Vec<_> = (1..=13)
            .filter(|number| ghosts.recall(name(*number)).is_some())
            .collect();
        assert_eq!(known, [6, 7, 8, 9, 10, 11, 12, 13]);
    }
}
