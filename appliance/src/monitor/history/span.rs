//! How fine history is, and for how long it is kept.

use crate::clock::Timestamp;

/// One of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fineness {
    Minute,
    TenMinutes,
    TwoHours,
}

impl Fineness {
    pub const ALL: [Self; 3] = [Self::Minute, Self::TenMinutes, Self::TwoHours];

    /// Seconds that a summary stands for.
    pub const fn step(self) -> u64 {
        match self {
            Self::Minute => 60,
            Self::TenMinutes => 600,
            Self::TwoHours => 7200,
        }
    }

    /// Summaries of a series in a block.
    pub const fn slots(self) -> usize {
        match self {
            Self::Minute => 10,
            Self::TenMinutes | Self::TwoHours => 1,
        }
    }

    /// Seconds that a block stands for.
    pub const fn span(self) -> u64 {
        self.step() * self.slots() as u64
    }

    /// Seconds for which it is kept.
    pub const fn kept(self) -> u64 {
        const DAY: u64 = 24 * 3600;
        match self {
            Self::Minute => DAY,
            Self::TenMinutes => 7 * DAY,
            Self::TwoHours => 365 * DAY,
        }
    }

    /// When the block begins that a time is in.
    pub const fn begin(self, at: Timestamp) -> Timestamp {
        Timestamp(at.0 - at.0 % self.span())
    }

    /// What began earlier has had its time.
    pub const fn oldest(self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_sub(self.kept()))
    }

    /// On the shelf. Never given to another.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Minute => 1,
            Self::TenMinutes => 2,
            Self::TwoHours => 3,
        }
    }
}
