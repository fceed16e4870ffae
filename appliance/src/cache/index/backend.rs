//! What redb stores its pages in: a file whose blocks are there before they are needed.
//!
//! redb's file grows sparse, so on a full disk even a transaction that only deletes can meet `ENOSPC`, and
//! after one failed call redb refuses to write until it is reopened. Therefore growth is allocated at once,
//! and beyond the end lies a *ballast* of blocks (`FALLOC_FL_KEEP_SIZE`, no file and no inode of its own).
//! Whatever meets a full disk gets the ballast, there and then, and is tried once more. While the ballast is
//! spent ([`Backing::ready_to_grow`] says so), the writer takes deletions but no new content.
//!
//! Promises: after [`Backing::fence`] nothing is written any more, so that a file can be opened anew while
//! readers still hold the old database. Must not know: redb's format, what a transaction is.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
};

use redb::StorageBackend;

use crate::cache::{
    disk::{Disk, Extent},
    error::{Kind, kind_of},
};

/// The ballast in bytes: 1/64 of the filesystem, within these bounds. The lower one holds the pages that a
/// few deletions touch (a deletion copies each level of up to ten trees: measured below 120 KiB); the upper
/// one is a whole batch of deletions in an index of a million rows.
pub(crate) const BALLAST: (u64, u64) = (192 << 10, 8 << 20);

/// The index's file.
#[derive(Debug)]
pub(crate) struct Backing {
    file: File,
    path: PathBuf,
    /// Another name that it has been given since.
    renamed: OnceLock<PathBuf>,
    disk: Disk,
    ballast: u64,
    /// The file's length in bytes, as redb set it.
    length: AtomicU64,
    /// All blocks of the file and the ballast are allocated, as far as the filesystem can.
    whole: AtomicBool,
    fenced: AtomicBool,
    retired: AtomicBool,
}

impl Backing {
    /// Wraps an open file and allocates what it can.
    pub(crate) fn new(file: File, path: PathBuf, disk: Disk) -> io::Result<Arc<Self>> {
        let length = file.metadata()?.len();
        let folder = path.parent().unwrap_or(&path);
        let capacity = disk.space(folder).map_or(0, |space| space.bytes);
        disk.databases.fetch_add(length, Relaxed);
        let backing = Self {
            file,
            disk,
            ballast: (capacity / 64).clamp(BALLAST.0, BALLAST.1),
            length: AtomicU64::new(length),
            whole: AtomicBool::new(false),
            fenced: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            renamed: OnceLock::new(),
            path,
        };
        backing.allocate();
        Ok(Arc::new(backing))
    }

    /// Whether new content can be written and deletions still be made afterwards. Tries to make it so.
    pub(crate) fn ready_to_grow(&self) -> bool {
        self.whole.load(Acquire) || self.allocate()
    }

    /// Whether the ballast was there when it was last looked at.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Acquire)
    }

    /// No change gets through any more; reads do.
    pub(crate) fn fence(&self) {
        self.fenced.store(true, Release);
    }

    /// No read gets through either: another database is about to use pages again that are free to it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Release);
    }

    /// The length of the index's file, in bytes.
    pub(crate) fn length(&self) -> u64 {
        self.length.load(Relaxed)
    }

    /// The file has another name from now on. Only once.
    pub(crate) fn rename(&self, path: PathBuf) {
        let _ = self.renamed.set(path);
    }

    fn path(&self) -> &Path {
        self.renamed.get().unwrap_or(&self.path)
    }

    /// Removes the file.
    pub(crate) fn unlink(&self) {
        if let Err(error) = self.disk.unlink(self.path()) {
            tracing::warn!(file = %self.path().display(), cause = %error, "a copy of the index that nobody wants could not be removed");
        }
    }

    /// Writes what the kernel holds of it to the medium.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.sync(&self.file, self.path())
    }

    fn check(&self) -> io::Result<()> {
        if self.fenced.load(Acquire) {
            return Err(reopened());
        }
        Ok(())
    }

    /// redb has set the length.
    fn is_long(&self, length: u64) {
        let before = self.length.swap(length, AcqRel);
        self.disk.databases.fetch_add(length, Relaxed);
        self.disk.databases.fetch_sub(before, Relaxed);
    }

    /// Allocates every block of the file, and the ballast.
    fn allocate(&self) -> bool {
        let length = self.length.load(Acquire);
        let all = self
            .disk
            .allocate(&self.file, self.path(), Extent::Within, 0, length)
            .and_then(|()| {
                self.disk
                    .allocate(&self.file, self.path(), Extent::Beyond, length, self.ballast)
            });
        let whole = match all {
            Ok(()) => true,
            // A filesystem that cannot allocate ahead (NFS, some FUSE): as good as it gets there.
            Err(error) => !matches!(kind_of(&error), Kind::Full(_)),
        };
        self.whole.store(whole, Release);
        whole
    }

    /// Gives the ballast back to the filesystem. Whether there was any.
    fn spend_ballast(&self) -> bool {
        let length = self.length.load(Acquire);
        self.whole.swap(false, AcqRel) && self.disk.truncate(&self.file, self.path(), length).is_ok()
    }

    /// Runs a call that needs blocks; if there are none, once more with the ballast's.
    fn with_ballast(&self, call: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match call() {
            Err(error) if matches!(kind_of(&error), Kind::Full(_)) && self.spend_ballast() => call(),
            other => other,
        }
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        let length = *self.length.get_mut();
        self.disk.databases.fetch_sub(length, Relaxed);
    }
}

fn reopened() -> io::Error {
    io::Error::other("the index was opened anew")
}

/// The backing as redb sees it.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Arc<Backing>);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let it = &self.0;
        if it.retired.load(Acquire) {
            return Err(reopened());
        }
        it.disk.read_at(&it.file, it.path(), out, offset)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let it = &self.0;
        it.check()?;
        let before = it.length.load(Acquire);
        if length > before {
            let room = it
                .disk
                .allocate(&it.file, it.path(), Extent::Within, before, length - before);
            if room.is_err_and(|error| matches!(kind_of(&error), Kind::Full(_))) {
                // Sparse, then. The ballast, which would now lie inside the file where redb may not write for
                // long, goes back to the filesystem, where any page can have it.
                it.whole.store(false, Release);
                it.disk.truncate(&it.file, it.path(), before)?;
                it.disk.truncate(&it.file, it.path(), length)?;
                it.is_long(length);
                tracing::debug!(length, "the index grew without room for all of its blocks");
                return Ok(());
            }
        }
        it.disk.truncate(&it.file, it.path(), length)?;
        it.is_long(length);
        it.allocate();
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let it = &self.0;
        it.check()?;
        it.disk.sync(&it.file, it.path())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let it = &self.0;
        it.check()?;
        it.with_ballast(|| it.disk.write_at(&it.file, it.path(), data, offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::disk_full::Small;

    #[test]
    fn what_it_takes_when_it_doubles_is_known_to_the_disk() {
        let folder = tempfile::tempdir().expect("made");
        let (disk, path) = (Disk::real(), folder.path().join("index"));
        let growth = || disk.databases.load(Relaxed);
        let open = || {
            let file = disk.create(&path).expect("made");
            Backend(Backing::new(file, path.clone(), disk.clone()).expect("wrapped"))
        };
        let backend = open();
        assert_eq!(growth(), 0);
        backend.set_len(1 << 20).expect("longer");
        assert_eq!(growth(), 1 << 20);
        backend.set_len(300_000).expect("shorter");
        assert_eq!(growth(), 300_000);
        drop(backend);
        assert_eq!(growth(), 0, "closed");
        let _again = open();
        assert_eq!(growth(), 300_000);
    }

    #[test]
    fn on_a_full_disk_the_file_grows_and_a_few_pages_can_be_written() {
        let Some(disk) = Small::mount("size=10m") else {
            return;
        };
        let path = disk.path().join("index");
        let file = Disk::real().create(&path).expect("made");
        let backend = Backend(Backing::new(file, path, Disk::real()).expect("wrapped"));
        backend.set_len(1 << 20).expect("grown");
        assert!(backend.0.is_whole());
        disk.stuff();
        let page = [7; 4096];
        for offset in (0..1 << 20).step_by(4096) {
            backend.write(offset, &page).expect("its blocks were there");
        }
        backend.set_len(2 << 20).expect("grown, sparse");
        assert!(!backend.0.ready_to_grow());
        for number in 0..40 {
            // From the end and from the middle: wherever redb finds a free page.
            let offset = (2 << 20) - 4096 * (1 + 5 * number);
            backend.write(offset, &page).expect("the ballast's blocks");
        }
        disk.unstuff();
        assert!(backend.0.ready_to_grow());
    }
}
