//! How much room a filesystem has, and of what there is too little.
//!
//! Promises: a filesystem that says nothing of inodes has no limit on them. Must not know: what the cache's own limits
//! are.

use std::{io, path::Path, sync::atomic::Ordering::Relaxed};

use super::{
    disk::{Call, Disk},
    error::{Kind, Resource, kind_of},
};

/// For the growth of databases no more than this part of a filesystem is kept: what they take beyond that they take
/// sparse where there is no room for it.
const MOST_GROWTH: u64 = 16;

/// A filesystem's room. Bytes and inodes; `inodes == 0` means that the filesystem has no inode limit
/// (btrfs and others report it so), not that none are left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// What an unprivileged process could use of it in all: used plus free, without root's reserve.
    pub bytes: u64,
    pub free_bytes: u64,
    pub inodes: u64,
    pub free_inodes: u64,
}

impl Disk {
    /// The filesystem's room. What the ballast holds is as good as free; what the databases take at once when they
    /// grow is as good as used.
    pub(super) fn space(&self, path: &Path) -> io::Result<Space> {
        let raw = self.raw_space(path)?;
        let held = self.ballast.as_ref().map_or(0, |ballast| ballast.held());
        let growth = self.databases.load(Relaxed).min(raw.bytes / MOST_GROWTH);
        Ok(Space {
            free_inodes: (raw.free_inodes + held).min(raw.inodes),
            free_bytes: raw.free_bytes.saturating_sub(growth),
            ..raw
        })
    }

    /// As the filesystem says it.
    pub(super) fn raw_space(&self, path: &Path) -> io::Result<Space> {
        self.before(Call::Space, path)?;
        let stat = rustix::fs::statvfs(path)?;
        let block = stat.f_frsize.max(1);
        let used = stat.f_blocks.saturating_sub(stat.f_bfree);
        let real = Space {
            bytes: used.saturating_add(stat.f_bavail).saturating_mul(block),
            free_bytes: stat.f_bavail.saturating_mul(block),
            inodes: stat.f_files,
            free_inodes: stat.f_favail,
        };
        Ok(self.faults.as_ref().map_or(real, |faults| faults.space(real)))
    }

    /// What follows from an error at creating a file in `folder`: the kernel says `ENOSPC` for bytes and
    /// for inodes alike.
    pub(super) fn lacking(&self, error: &io::Error, folder: &Path) -> Kind {
        match kind_of(error) {
            Kind::Full(_)
                if self
                    .raw_space(folder)
                    .is_ok_and(|space| space.inodes > 0 && space.free_inodes == 0) =>
            {
                Kind::Full(Resource::Inodes)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::disk_full::Small;

    #[test]
    fn what_databases_take_when_they_grow_is_as_good_as_used() {
        let Some(small) = Small::mount("size=16m") else {
            return;
        };
        let disk = Disk::real();
        let free = || disk.space(small.path()).expect("read").free_bytes;
        let all = free();
        disk.databases.store(300_000, Relaxed);
        assert_eq!(free(), all - 300_000);
        disk.databases.store(1 << 30, Relaxed);
        assert_eq!(free(), all - (1 << 20), "a sixteenth, however large the index is");
        small.stuff();
        assert_eq!(free(), 0);
    }
}
