//! Bytes and inodes, and the one price for both.
//!
//! A disk can run out of either. Evicting by bytes alone keeps the many small files and makes the inodes run
//! out sooner; so an inode is paid for in bytes, at the rate at which the disk has them.

use std::{
    fmt,
    ops::{Add, AddAssign},
};

/// So much of both resources: what something takes, what is to be freed, what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amount {
    pub bytes: u64,
    pub inodes: u64,
}

impl Amount {
    pub const NOTHING: Self = Self { bytes: 0, inodes: 0 };

    pub const fn new(bytes: u64, inodes: u64) -> Self {
        Self { bytes, inodes }
    }

    /// What of `self` remains when `other` has been taken away; never below nothing.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            inodes: self.inodes.saturating_sub(other.inodes),
        }
    }

    /// Whether there is at least `goal` of both.
    pub const fn meets(self, goal: Self) -> bool {
        self.bytes >= goal.bytes && self.inodes >= goal.inodes
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            inodes: self.inodes.saturating_add(other.inodes),
        }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::iter::Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::NOTHING, Add::add)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
        match self.bytes {
            bytes @ ..1024 => write!(f, "{bytes} bytes")?,
            bytes => {
                let step = (bytes.ilog2() / 10).min(5);
                let value = bytes as f64 / (1u64 << (10 * step)) as f64;
                write!(f, "{value:.1} {}", UNITS[step as usize - 1])?;
            }
        }
        write!(f, " in {} files", self.inodes)
    }
}

/// What the disk, or the cache's share of it, has in all. No inodes: no limit on them, as btrfs reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capacity(pub Amount);

/// What one inode is worth in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exchange {
    inode: f64,
}

impl Exchange {
    pub fn of(Capacity(all): Capacity) -> Self {
        let inode = if all.inodes == 0 {
            0.0
        } else {
            all.bytes as f64 / all.inodes as f64
        };
        Self { inode }
    }

    pub fn price(self, amount: Amount) -> Price {
        self.price_of(amount.bytes as f64, amount.inodes as f64)
    }

    /// The price of parts, such as a half of a layer that two images share.
    pub(super) fn price_of(self, bytes: f64, inodes: f64) -> Price {
        Price(bytes + inodes * self.inode)
    }
}

/// The effective size: bytes, and inodes at their worth in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Price(f64);

impl Price {
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// How dear it is to fetch something again, as a multiple of the ordinary. In eighths, from ⅛ to 31⅞: it is
/// kept once per member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(u8);

impl Cost {
    /// From a registry that answers and does not count.
    pub const ORDINARY: Self = Self(8);
    /// From a registry that counts what is fetched and will refuse at some number, as Docker Hub does with
    /// manifests.
    pub const COUNTED: Self = Self(16);
    /// It cannot be had now: the registry is unreachable, or the tag is gone there.
    pub const UNOBTAINABLE: Self = Self(128);

    /// The nearest that can be kept.
    pub fn times(factor: f64) -> Self {
        // `as` saturates, and makes 0 of what is not a number.
        Self(((factor * 8.0).round() as u8).max(1))
    }

    pub fn factor(self) -> f64 {
        f64::from(self.0) / 8.0
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self::ORDINARY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_costs_its_share_of_the_bytes() {
        let exchange = Exchange::of(Capacity(Amount::new(1_000_000, 100)));
        assert_eq!(exchange.price(Amount::new(500, 1)).get(), 10_500.0);
        assert_eq!(
            exchange.price(Amount::new(500, 0)).get(),
            500.0,
            "inline content has no inode"
        );
    }

    #[test]
    fn no_inodes_means_no_limit() {
        let exchange = Exchange::of(Capacity(Amount::new(1_000_000, 0)));
        assert_eq!(exchange.price(Amount::new(500, 1)).get(), 500.0);
    }

    #[test]
    fn a_cost_keeps_within_its_byte() {
        assert_eq!(Cost::times(1.0), Cost::ORDINARY);
        assert_eq!(Cost::times(2.5).factor(), 2.5);
        assert_eq!(Cost::times(1e9).factor(), 31.875);
        assert_eq!(Cost::times(-1.0).factor(), 0.125);
        assert_eq!(Cost::times(f64::NAN).factor(), 0.125);
    }

    #[test]
    fn an_amount_is_said_in_words() {
        assert_eq!(Amount::new(41 << 30, 3).to_string(), "41.0 GiB in 3 files");
        assert_eq!(Amount::new(1023, 0).to_string(), "1023 bytes in 0 files");
        assert_eq!(Amount::new(u64::MAX, 0).to_string(), "16384.0 PiB in 0 files");
    }
}
