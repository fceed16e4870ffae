//! All that is here, as people pull it.
//!
//! A *member* is a piece of content: a manifest or a blob. A *unit* is what goes as one: an *image*, which is
//! a root manifest with all that it needs and is here, or a *loose* member that no image has. A root is a
//! manifest that no other refers to, or one that a person tagged or pinned although another does. Images may
//! share members. What is about an image, such as its signature, is of no use without it: it goes with it and
//! never outlives it.
//!
//! Compact, because a disk may hold a million loose blobs: columns, and numbers of four bytes.

use std::{fmt, ops::BitOr};

use super::{amount::Amount, amount::Cost, record::Record};

/// A member's number in its catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub(super) u32);

impl MemberId {
    /// Its place in the order in which members were added, from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An image's number in its catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageId(pub(super) u32);

/// Why something has to stay, for one or several reasons.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hold(u8);

impl Hold {
    pub const FREE: Self = Self(0);
    /// A person wants it kept.
    pub const PINNED: Self = Self(1);
    /// Somebody is reading it, or a fill needs it.
    pub const IN_USE: Self = Self(2);
    /// It came so short a time ago that what it belongs to may still be on its way.
    pub const YOUNG: Self = Self(4);

    pub const fn is_free(self) -> bool {
        self.0 == 0
    }

    /// The other reasons.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Hold {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Self::PINNED, "pinned"),
            (Self::IN_USE, "in use"),
            (Self::YOUNG, "young"),
        ];
        let held: Vec<_> = names.iter().filter(|(hold, _)| self.has(*hold)).collect();
        f.debug_list().entries(held.iter().map(|(_, name)| name)).finish()
    }
}

/// A piece of content.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its bytes on disk; its inodes: 1 for a file, 0 for what is inline.
    pub amount: Amount,
    pub record: Record,
    pub hold: Hold,
    pub cost: Cost,
}

/// Which units have a member.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    starts: Vec<u32>,
    units: Vec<u32>,
}

impl Owners {
    pub(super) fn of(starts: &[u32], links: &[u32], counts: &[u32]) -> Self {
        let mut ends = Vec::with_capacity(counts.len() + 1);
        let mut sum = 0;
        for count in counts {
            ends.push(sum);
            sum += count;
        }
        ends.push(sum);
        let mut units = vec![0; links.len()];
        for unit in 0..starts.len() - 1 {
            for member in &links[starts[unit] as usize..starts[unit + 1] as usize] {
                units[ends[*member as usize] as usize] = unit as u32;
                ends[*member as usize] += 1;
            }
        }
        // Each start has moved to its end, which is the next one's start.
        ends.rotate_right(1);
        if let Some(first) = ends.first_mut() {
            *first = 0;
        }
        Self { starts: ends, units }
    }

    pub(super) fn of_member(&self, member: MemberId) -> &[u32] {
        &self.units[self.starts[member.index()] as usize..self.starts[member.index() + 1] as usize]
    }
}

/// All that is here, ready for a [`super::Plan`].
#[derive(Clone, Debug)]
pub struct Catalog {
    pub(super) bytes: Vec<u64>,
    pub(super) inodes: Vec<u8>,
    pub(super) records: Vec<Record>,
    /// Why each has to stay, for its own sake or for that of a unit that needs it.
    pub(super) holds: Vec<Hold>,
    pub(super) costs: Vec<Cost>,
    pub(super) roots: Vec<MemberId>,
    /// Leaders, each with one that goes with it, in order.
    pub(super) followers: Vec<(u32, u32)>,
    /// By image why it has to stay. Those that follow are no units of their own.
    pub(super) held: Vec<Option<Hold>>,
    pub(super) starts: Vec<u32>,
    pub(super) links: Vec<u32>,
    /// In how many units a member is.
    pub(super) units: Vec<u32>,
    pub(super) owners: Owners,
}

impl Catalog {
    pub fn members(&self) -> usize {
        self.bytes.len()
    }

    pub fn images(&self) -> usize {
        self.roots.len()
    }

    pub fn amount(&self, member: MemberId) -> Amount {
        Amount::new(self.bytes[member.index()], self.inodes[member.index()].into())
    }

    /// All that is here.
    pub fn total(&self) -> Amount {
        (0..number(self.members()))
            .map(|member| self.amount(MemberId(member)))
            .sum()
    }

    /// Whether an image is a unit, and may go.
    pub(super) fn is_candidate(&self, image: ImageId) -> bool {
        self.held[image.0 as usize] == Some(Hold::FREE)
    }

    /// The roots of an image and of what goes with it.
    pub(super) fn roots(&self, leader: ImageId) -> impl Iterator<Item = MemberId> {
        let from = self.followers.partition_point(|(of, _)| *of < leader.0);
        let followers = self.followers[from..].iter();
        let own = followers.take_while(move |(of, _)| *of == leader.0);
        std::iter::once(leader.0)
            .chain(own.map(|(_, image)| *image))
            .map(|image| self.roots[image as usize])
    }

    /// All that a leader and what goes with it need.
    pub(super) fn closure(&self, leader: ImageId) -> &[u32] {
        let at = leader.0 as usize;
        &self.links[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    /// The memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity() * size_of::<u64>()
            + self.records.capacity() * size_of::<Record>()
            + self.inodes.capacity()
            + self.holds.capacity()
            + self.costs.capacity()
            + size_of::<u32>()
                * (self.roots.capacity()
                    + 2 * self.followers.capacity()
                    + self.starts.capacity()
                    + self.links.capacity()
                    + self.units.capacity()
                    + self.owners.starts.capacity()
                    + self.owners.units.capacity())
            + self.held.capacity() * size_of::<Option<Hold>>()
    }
}

/// Four thousand million members are more than any box has files; beyond, numbers are at the end.
pub(super) fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
