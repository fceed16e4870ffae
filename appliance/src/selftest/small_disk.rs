//! A small disk, played before the mirror's system calls: what its folder takes up is all that there is on it, besides
//! what *others* are said to have.
//!
//! Promises: what it says of its room is what lies in the folder, a few milliseconds ago at most. When nothing is free,
//! content and what makes a file longer are refused as a full disk refuses them; what is written into blocks that are there
//! already is not. Must not know: what the files mean, beyond which of them are content.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::io::Errno;

use crate::cache::{Call, Faults, Space};

/// How old a look at the folder may be.
const FRESH: Duration = Duration::from_millis(2);
/// The smallest that a file takes.
const BLOCK: u64 = 512;

/// Bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) bytes: u64,
    pub(super) inodes: u64,
}

impl Amount {
    /// An n-th of its bytes.
    pub(super) const fn part(self, n: u64) -> Self {
        Self {
            bytes: self.bytes / n,
            inodes: 0,
        }
    }
}

#[derive(Debug)]
pub(super) struct SmallDisk {
    folder: PathBuf,
    size: Amount,
    others: [AtomicU64; 2],
    looked: Mutex<Option<(Instant, Amount)>>,
}

impl SmallDisk {
    pub(super) fn of(folder: &Path, size: Amount) -> Self {
        Self {
            folder: folder.to_owned(),
            size,
            others: Default::default(),
            looked: Mutex::default(),
        }
    }

    /// From now on others have so much of it; more than there is is all of it.
    pub(super) fn others(&self, amount: Amount) {
        self.others[0].store(amount.bytes, SeqCst);
        self.others[1].store(amount.inodes, SeqCst);
    }

    /// How full it is by its folder: the fuller of the two, from 0 to 1.
    pub(super) fn fullness(&self) -> f64 {
        let used = self.used();
        let part = |used: u64, size: u64| used as f64 / size.max(1) as f64;
        part(used.bytes, self.size.bytes).max(part(used.inodes, self.size.inodes))
    }

    fn used(&self) -> Amount {
        let mut looked = self.looked.lock();
        if let Some((at, used)) = *looked
            && at.elapsed() < FRESH
        {
            return used;
        }
        let mut used = Amount::default();
        add(&self.folder, &mut used);
        *looked = Some((Instant::now(), used));
        used
    }

    fn free(&self) -> Amount {
        let used = self.used();
        let [bytes, inodes] = [&self.others[0], &self.others[1]].map(|others| others.load(SeqCst));
        Amount {
            bytes: self.size.bytes.saturating_sub(used.bytes.saturating_add(bytes)),
            inodes: self
                .size
                .inodes
                .saturating_sub(used.inodes.saturating_add(inodes)),
        }
    }

    fn refuses(&self, call: Call, path: &Path) -> bool {
        match call {
            Call::Create | Call::CreateFolder => !path.exists() && self.free().inodes == 0,
            Call::Allocate => self.free().bytes == 0,
            Call::Write => is_content(path) && self.free().bytes == 0 && !has_blocks_ahead(path),
            _ => false,
        }
    }
}

impl Faults for SmallDisk {
    fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        if self.refuses(call, path) {
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }

    fn space(&self, _: Space) -> Space {
        let free = self.free();
        Space {
            bytes: self.size.bytes,
            free_bytes: free.bytes,
            inodes: self.size.inodes,
            free_inodes: free.inodes,
        }
    }
}

fn is_content(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("fill"))
}

/// Whether blocks were set aside that are not written yet.
fn has_blocks_ahead(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.blocks() * BLOCK > file.len().next_multiple_of(4096))
}

/// What comes and goes meanwhile is counted or not.
fn add(folder: &Path, used: &mut Amount) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(file) = entry.metadata() else { continue };
        used.inodes += 1;
        used.bytes += file.blocks() * BLOCK;
        if file.is_dir() {
            add(&entry.path(), used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_full_as_its_folder_and_refuses_when_nothing_is_free() {
        let dir = tempfile::tempdir().expect("a folder");
        let size = Amount {
            bytes: 1 << 20,
            inodes: 10,
        };
        let disk = SmallDisk::of(dir.path(), size);
        let fresh = || *disk.looked.lock() = None;
        let space = || {
            fresh();
            disk.space(Space::default())
        };
        assert_eq!((space().bytes, space().free_inodes), (1 << 20, 10));
        let fill = dir.path().join("fill");
        fs::create_dir(&fill).expect("made");
        fs::write(fill.join("a"), vec![7; 256 << 10]).expect("written");
        assert!(
            space().free_bytes <= 768 << 10 && space().free_inodes == 8,
            "{:?}",
            space()
        );
        assert!((0.25..0.3).contains(&disk.fullness()), "{}", disk.fullness());
        let refused = |call, path: &str| {
            fresh();
            disk.before(call, &dir.path().join(path)).is_err()
        };
        assert!(!refused(Call::Write, "fill/a") && !refused(Call::Create, "fill/b"));
        disk.others(Amount {
            bytes: 1 << 20,
            inodes: 0,
        });
        assert!(refused(Call::Write, "fill/a") && refused(Call::Allocate, "index.redb"));
        assert!(!refused(Call::Write, "index.redb") && !refused(Call::Create, "fill/b"));
        disk.others(Amount { bytes: 0, inodes: 10 });
        assert!(refused(Call::Create, "fill/b") && !refused(Call::Create, "fill/a"));
        assert_eq!(space().free_inodes, 0);
    }
}
