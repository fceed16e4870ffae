//! The summaries of all series in a span of time, as bytes.
//!
//! ```text
//! block  = version(1) slots(1) series*
//! series = hash(8) slot*                          little endian; the hash is FNV-1a of `metric{label}`
//! slot   = 0                                      nothing was sampled
//!        | 1                                      as before
//!        | 2 value(4)                             flat
//!        | 3 least(4) average(4) most(4)
//! ```
//!
//! Most series of a healthy box stand still; those cost a byte a minute. Promises: what was written is read back; of
//! damaged bytes, what came before the damage. Must not know: where it is kept.

use super::Summary;
use crate::rule::Series;

const VERSION: u8 = 1;
/// The most slots of a series.
pub(super) const SLOTS: usize = 10;

/// The slots of a series.
pub(super) type Slots = [Option<Summary>; SLOTS];

/// What stands for a series. Two of the few hundred of a box are the same once in 10^14 boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn of(series: &Series) -> Self {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0100_0000_01b3;
        let bytes = series
            .metric
            .name()
            .bytes()
            .chain([b'{'])
            .chain(series.of.as_str().bytes());
        Self(bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME)))
    }
}

/// Writes a block.
pub(super) fn encode<'a>(slots: usize, series: impl Iterator<Item = (Hash, &'a Slots)>) -> Vec<u8> {
    let slots = slots.min(SLOTS);
    let mut bytes = vec![VERSION, slots as u8];
    for (Hash(hash), summaries) in series {
        let summaries = &summaries[..slots];
        if summaries.iter().all(Option::is_none) {
            continue;
        }
        bytes.extend_from_slice(&hash.to_le_bytes());
        let mut before = None;
        for summary in summaries {
            match summary {
                None => bytes.push(0),
                same if *same == before => bytes.push(1),
                Some(flat) if flat.is_flat() => {
                    bytes.push(2);
                    bytes.extend_from_slice(&flat.average.to_le_bytes());
                }
                Some(Summary { least, average, most }) => {
                    bytes.push(3);
                    for value in [least, average, most] {
                        bytes.extend_from_slice(&value.to_le_bytes());
                    }
                }
            }
            before = summary.or(before);
        }
    }
    bytes
}

/// Reads each series of a block.
pub(super) fn decode(bytes: &[u8]) -> impl Iterator<Item = (Hash, Slots)> {
    let (slots, mut rest) = match bytes {
        [VERSION, slots, rest @ ..] if usize::from(*slots) <= SLOTS => (usize::from(*slots), rest),
        // Of a version that is not known, or nothing at all.
        _ => (0, [].as_slice()),
    };
    std::iter::from_fn(move || {
        let (hash, more) = rest.split_first_chunk()?;
        let (summaries, more) = read_slots(slots, more)?;
        rest = more;
        Some((Hash(u64::from_le_bytes(*hash)), summaries))
    })
}

fn read_slots(slots: usize, mut bytes: &[u8]) -> Option<(Slots, &[u8])> {
    let mut summaries = [None; SLOTS];
    let mut before = None;
    for slot in &mut summaries[..slots] {
        let (tag, rest) = bytes.split_first()?;
        bytes = rest;
        *slot = match tag {
            0 => None,
            1 => Some(before?),
            2 => {
                let value = float(&mut bytes)?;
                Some(Summary {
                    least: value,
                    average: value,
                    most: value,
                })
            }
            3 => Some(Summary {
                least: float(&mut bytes)?,
                average: float(&mut bytes)?,
                most: float(&mut bytes)?,
            }),
            _ => return None,
        };
        before = slot.or(before);
    }
    Some((summaries, bytes))
}

fn float(bytes: &mut &[u8]) -> Option<f32> {
    let (value, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(f32::from_le_bytes(*value)).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rule::Metric;

    fn summary() -> impl Strategy<Value = Summary> {
        let few = prop_oneof![Just(0.0_f32), Just(1.0), -1e9_f32..1e9];
        prop_oneof![
            few.clone().prop_map(|value| Summary {
                least: value,
                average: value,
                most: value
            }),
            (few.clone(), few.clone(), few).prop_map(|(a, b, c)| Summary {
                least: a.min(b).min(c),
                average: a.max(b).min(a.min(b).max(c)),
                most: a.max(b).max(c),
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
            series in prop::collection::vec((any::<u64>(), prop::array::uniform10(prop::option::of(summary()))), 0..20),
            cut in 0..4000_usize,
        ) {
            let series: Vec<_> = series.into_iter().map(|(hash, slots)| (Hash(hash), slots)).collect();
            let bytes = encode(SLOTS, series.iter().map(|(hash, slots)| (*hash, slots)));
            let told: Vec<_> = series.into_iter().filter(|(_, slots)| slots.iter().any(Option::is_some)).collect();
            prop_assert_eq!(&decode(&bytes).collect::<Vec<_>>(), &told);
            // Cut anywhere: the beginning.
            let read: Vec<_> = decode(&bytes[..cut.min(bytes.len())]).collect();
            prop_assert_eq!(&told[..read.len()], &read[..]);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop_oneof![0..4_u8, any::<u8>()], 0..300)) {
            for (_, slots) in decode(&bytes) {
                prop_assert!(slots.iter().flatten().all(|summary| summary.average.is_finite()));
            }
        }
    }

    #[test]
    fn what_stands_still_costs_a_byte_a_minute() {
        let still = [Summary::of([3.0].into_iter()); SLOTS];
        let moving = std::array::from_fn(|slot| Summary::of([0.0, slot as f32 + 1.0].into_iter()));
        let hash = Hash::of(&Series::of(Metric::LinkUp, "eth0"));
        let length = |slots: &Slots| encode(SLOTS, [(hash, slots)].into_iter()).len();
        assert_eq!(length(&still), 2 + 8 + 5 + 9);
        assert_eq!(length(&moving), 2 + 8 + 130);
        assert_eq!(length(&[None; SLOTS]), 2);
    }

    #[test]
    fn what_is_no_number_was_not_written_here() {
        let mut bytes = vec![VERSION, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2];
        bytes.extend_from_slice(&f32::NAN.to_le_bytes());
        assert_eq!(decode(&bytes).count(), 0);
        let of_another_version = [VERSION + 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(decode(&of_another_version).count(), 0);
    }

    #[test]
    fn a_series_stands_for_itself_for_ever() {
        let eth0 = Series::of(Metric::LinkUp, "eth0");
        assert_eq!(Hash::of(&eth0), Hash(0x1f0a_bd49_44be_f09b));
        assert_ne!(Hash::of(&eth0), Hash::of(&Series::of(Metric::LinkUp, "eth1")));
    }
}
