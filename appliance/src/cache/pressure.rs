//! How full the cache is: of bytes and of inodes, by its own limits and by its filesystem's.
//!
//! Promises: a resource without a limit is never short; what is asked to be freed is enough for the resource
//! that is shortest, or all that the cache gives for the sake of a disk that others fill ([`FLOOR`]). Must not know: what is here.

use std::fmt;

use super::{
    eviction::{Amount, Capacity},
    index::Sums,
    space::Space,
};

/// What the cache keeps of a disk that others fill, as a part of all of it. Giving way further would empty the cache and
/// leave the disk full all the same, a little later: the hottest tenth answers most requests, also without the WAN.
const FLOOR: f64 = 0.1;

/// One resource against one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    pub used: u64,
    /// 0: there is none.
    pub limit: u64,
}

impl Level {
    /// From 0 to 1; more, when a limit was lowered.
    pub fn part(self) -> f64 {
        if self.limit == 0 {
            0.0
        } else {
            self.used as f64 / self.limit as f64
        }
    }

    /// What is used above a part of the limit.
    fn above(self, part: f64) -> u64 {
        if self.limit == 0 {
            return 0;
        }
        self.used.saturating_sub((self.limit as f64 * part) as u64)
    }
}

/// All four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Content, against `cache.max_bytes`.
    pub own_bytes: Level,
    /// Blob files, against `cache.max_inodes`.
    pub own_inodes: Level,
    /// The filesystem's.
    pub disk_bytes: Level,
    pub disk_inodes: Level,
}

impl Pressure {
    pub(super) fn of(
        space: Space,
        sums: &Sums,
        partial: Amount,
        max_bytes: Option<u64>,
        max_inodes: Option<u64>,
    ) -> Self {
        Self {
            own_bytes: Level {
                used: sums.file_bytes + sums.inline_bytes + partial.bytes,
                limit: max_bytes.unwrap_or(0),
            },
            own_inodes: Level {
                used: sums.files + partial.inodes,
                limit: max_inodes.unwrap_or(0),
            },
            disk_bytes: Level {
                used: space.bytes.saturating_sub(space.free_bytes),
                limit: space.bytes,
            },
            disk_inodes: Level {
                used: space.inodes.saturating_sub(space.free_inodes),
                limit: space.inodes,
            },
        }
    }

    /// The fullest resource's part.
    pub fn worst(&self) -> f64 {
        [self.own_bytes, self.own_inodes, self.disk_bytes, self.disk_inodes]
            .into_iter()
            .map(Level::part)
            .fold(0.0, f64::max)
    }

    /// What has to go until nothing is above a part of its limit: of the cache's own limits all of that, of the
    /// filesystem's as much as lies above the floor.
    pub fn to_give(&self, part: f64) -> Amount {
        let give = |own: Level, disk: Level| {
            let floor = (disk.limit as f64 * FLOOR) as u64;
            own.above(part)
                .max(disk.above(part).min(own.used.saturating_sub(floor)))
        };
        Amount::new(
            give(self.own_bytes, self.disk_bytes),
            give(self.own_inodes, self.disk_inodes),
        )
    }

    /// The bytes that the cache gives for the sake of a disk, whatever is said to be free on it.
    pub fn to_give_at_most(&self) -> u64 {
        let floor = (self.capacity().0.bytes as f64 * FLOOR) as u64;
        self.own_bytes.used.saturating_sub(floor)
    }

    /// What others hold of the filesystem, the index and what else is the house's own among it.
    pub fn others(&self) -> Amount {
        Amount::new(
            self.disk_bytes.used.saturating_sub(self.own_bytes.used),
            self.disk_inodes.used.saturating_sub(self.own_inodes.used),
        )
    }

    /// The tighter limit of each resource; what the price of an inode comes from.
    pub fn capacity(&self) -> Capacity {
        let tighter = |one: Level, other: Level| match (one.limit, other.limit) {
            (0, limit) | (limit, 0) => limit,
            (one, other) => one.min(other),
        };
        Capacity(Amount::new(
            tighter(self.own_bytes, self.disk_bytes),
            tighter(self.own_inodes, self.disk_inodes),
        ))
    }

    /// What is used, of the resource that is shorter by each limit.
    pub fn used(&self) -> Amount {
        let fuller = |one: Level, other: Level| {
            if one.part() > other.part() {
                one.used
            } else {
                other.used
            }
        };
        Amount::new(
            fuller(self.own_bytes, self.disk_bytes),
            fuller(self.own_inodes, self.disk_inodes),
        )
    }
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (level, what) in [
            (self.own_bytes, "bytes of cache.max_bytes"),
            (self.own_inodes, "files of cache.max_inodes"),
            (self.disk_bytes, "bytes of the filesystem"),
            (self.disk_inodes, "inodes of the filesystem"),
        ] {
            if level.limit == 0 {
                continue;
            }
            if !first {
                f.write_str(", ")?;
            }
            first = false;
            write!(
                f,
                "{} of {} {what} ({:.1} %)",
                level.used,
                level.limit,
                level.part() * 100.0
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Space = Space {
        bytes: 1000,
        free_bytes: 100,
        inodes: 50,
        free_inodes: 1,
    };

    #[test]
    fn the_shortest_resource_decides() {
        let sums = Sums {
            file_bytes: 300,
            files: 9,
            ..Sums::default()
        };
        let pressure = Pressure::of(SPACE, &sums, Amount::NOTHING, Some(400), Some(10));
        assert_eq!(pressure.worst(), 0.98);
        assert_eq!(
            pressure.to_give(0.5),
            Amount::new(200, 4),
            "down to a tenth of the disk"
        );
        assert_eq!(pressure.capacity(), Capacity(Amount::new(400, 10)));
        assert_eq!(pressure.to_give(1.0), Amount::NOTHING);
        assert_eq!(
            pressure.to_give(0.25),
            Amount::new(200, 7),
            "its own limit knows no floor"
        );
    }

    #[test]
    fn what_others_fill_empties_no_cache() {
        let sums = |file_bytes, files| Sums {
            file_bytes,
            files,
            ..Sums::default()
        };
        let give = |sums| Pressure::of(SPACE, &sums, Amount::NOTHING, None, None).to_give(0.88);
        assert_eq!(
            give(sums(900, 49)),
            Amount::new(20, 5),
            "all of it is the cache's"
        );
        assert_eq!(give(sums(110, 7)), Amount::new(10, 2));
        assert_eq!(give(sums(90, 5)), Amount::NOTHING);
    }

    #[test]
    fn without_limits_nothing_is_short() {
        let pressure = Pressure::of(Space::default(), &Sums::default(), Amount::new(10, 1), None, None);
        assert_eq!((pressure.worst(), pressure.to_give(0.0)), (0.0, Amount::NOTHING));
        assert_eq!(pressure.to_string(), "");
    }

    #[test]
    fn a_filesystem_without_inodes_has_no_limit_on_them() {
        let unlimited = Space {
            inodes: 0,
            free_inodes: 0,
            ..SPACE
        };
        let sums = Sums {
            file_bytes: 900,
            files: 9,
            ..Sums::default()
        };
        let pressure = Pressure::of(unlimited, &sums, Amount::NOTHING, None, None);
        assert_eq!(pressure.to_give(0.5), Amount::new(400, 0));
    }
}
