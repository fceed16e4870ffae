//! How much room a filesystem has, and of what there is too little.
//!
//! Promises: a filesystem that says nothing of inodes has no limit on them. Must not know: what the cache's own limits
//! are.

use std::{io, path::Path};

use super::{
    disk::{Call, Disk},
    error::{Kind, Resource, kind_of},
};

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
    /// The filesystem's room. What the ballast holds is as good as free.
    pub(super) fn space(&self, path: &Path) -> io::Result<Space> {
        let raw = self.raw_space(path)?;
        let held = self.ballast.as_ref().map_or(0, |ballast| ballast.held());
        Ok(Space {
            free_inodes: (raw.free_inodes + held).min(raw.inodes),
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
