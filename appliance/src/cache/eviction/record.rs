//! What is remembered of each piece of content: sixteen bytes, in memory and on disk.
//!
//! Promises: a record has one layout, which does not change with the policy; any sixteen bytes are a record.
//! What a record of another policy, or of a damaged file, says is made harmless by
//! [`super::Policy::learn`]. Must not know: what the numbers are for.

use crate::clock::Timestamp;

/// The length of a record as it is written.
pub const RECORD_BYTES: usize = 16;

/// How much in demand something is: uses, of which the older count less. Fixed point, at most 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Frequency(u16);

impl Frequency {
    const ONE: u16 = 1 << 8;

    /// So many uses.
    pub const fn uses(uses: u8) -> Self {
        Self(uses as u16 * Self::ONE)
    }

    /// One use more.
    #[must_use]
    pub const fn once_more(self) -> Self {
        Self(self.0.saturating_add(Self::ONE))
    }

    /// One use less, and never less than none.
    #[must_use]
    pub const fn once_less(self) -> Self {
        Self(self.0.saturating_sub(Self::ONE))
    }

    /// What is left of it when only a part counts.
    #[must_use]
    pub fn scaled(self, part: f64) -> Self {
        Self((f64::from(self.0) * part).round() as u16)
    }

    pub fn get(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ONE)
    }
}

/// Which of a policy's queues something stands in. Only S3-FIFO has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lane {
    /// Came in and has to show that it is wanted.
    #[default]
    Probation,
    /// Has shown it.
    Main,
}

/// What is remembered of a manifest or a blob. Made by [`super::Policy::admit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Seconds since 1970; enough until 2106.
    pub(super) last: u32,
    pub(super) frequency: Frequency,
    pub(super) lane: Lane,
    /// The policy that wrote it, as [`super::policy`] numbers them.
    pub(super) author: u8,
    /// What that policy makes of it.
    pub(super) mark: u64,
}

impl Record {
    /// When it was last used.
    pub fn last_use(&self) -> Timestamp {
        Timestamp(self.last.into())
    }

    /// How much it is in demand.
    pub fn frequency(&self) -> Frequency {
        self.frequency
    }

    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..4].copy_from_slice(&self.last.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.frequency.0.to_le_bytes());
        bytes[6] = self.lane as u8;
        bytes[7] = self.author;
        bytes[8..16].copy_from_slice(&self.mark.to_le_bytes());
        bytes
    }

    /// Reads what [`Self::encode`] wrote, or anything else. Give it to [`super::Policy::learn`] before use.
    pub fn decode(bytes: [u8; RECORD_BYTES]) -> Self {
        let [a, b, c, d, e, f, lane, author, mark @ ..] = bytes;
        Self {
            last: u32::from_le_bytes([a, b, c, d]),
            frequency: Frequency(u16::from_le_bytes([e, f])),
            lane: if lane == Lane::Main as u8 {
                Lane::Main
            } else {
                Lane::Probation
            },
            author,
            mark: u64::from_le_bytes(mark),
        }
    }

    /// Of two records, the better in each respect: what is known of content that goes together.
    #[must_use]
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            last: self.last.max(other.last),
            frequency: self.frequency.max(other.frequency),
            lane: self.lane.max(other.lane),
            author: self.author,
            mark: self.mark.max(other.mark),
        }
    }
}

/// A time as a record keeps it.
pub(super) fn seconds(time: Timestamp) -> u32 {
    u32::try_from(time.0).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixteen_bytes_in_memory_too() {
        assert_eq!(size_of::<Record>(), RECORD_BYTES);
    }

    #[test]
    fn the_layout_is_what_disks_have() {
        let record = Record {
            last: 0x0403_0201,
            frequency: Frequency(0x0605),
            lane: Lane::Main,
            author: 8,
            mark: 0x100f_0e0d_0c0b_0a09,
        };
        let bytes = [1, 2, 3, 4, 5, 6, 1, 8, 9, 10, 11, 12, 13, 14, 15, 16];
        assert_eq!(record.encode(), bytes);
        assert_eq!(Record::decode(bytes), record);
    }

    #[test]
    fn a_frequency_saturates() {
        let mut frequency = Frequency::default();
        for _ in 0..1000 {
            frequency = frequency.once_more();
        }
        assert!((255.0..256.0).contains(&frequency.get()));
        assert_eq!(Frequency::uses(1).once_less().once_less(), Frequency::default());
        assert_eq!(Frequency::uses(4).scaled(0.5), Frequency::uses(2));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_record_and_stay_the_same(bytes: [u8; RECORD_BYTES]) {
            let record = Record::decode(bytes);
            prop_assert_eq!(Record::decode(record.encode()), record);
        }
    }
}
