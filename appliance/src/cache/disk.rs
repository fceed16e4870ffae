//! The system calls the cache makes, in one place: the seam at which tests make them fail.
//!
//! Promises: every change to the disk goes through here, so that a fault can be put before any of them; a
//! real disk costs one branch more than the call itself. Must not know: what the files mean.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, IoSlice},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};

use rustix::{
    fs::{FallocateFlags, FlockOperation, OFlags},
    io::Errno,
};

use super::{ballast::Ballast, boot::BootId, space::Space};

/// What is about to be done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    CreateFolder,
    /// Opening an existing file for reading.
    Open,
    /// Opening a file for writing, creating it if need be.
    Create,
    Read,
    /// Asking what a name stands for.
    Stat,
    Write,
    Truncate,
    Allocate,
    Sync,
    SyncFolder,
    Rename,
    Unlink,
    List,
    /// Asking how much room there is.
    Space,
}

/// Faults to put before system calls. What is not overridden is as on a sound disk.
pub trait Faults: Send + Sync {
    /// Called before each call; an error is returned instead of making it.
    fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        let _ = (call, path);
        Ok(())
    }

    /// What `statvfs` is to have said.
    fn space(&self, real: Space) -> Space {
        real
    }

    /// Which boot this is to be taken for.
    fn boot(&self, real: BootId) -> BootId {
        real
    }
}

/// Whether an allocation makes the file longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Blocks inside the file, which grows to hold them.
    Within,
    /// Blocks set aside beyond its end.
    Beyond,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct Disk {
    pub(super) faults: Option<Arc<dyn Faults>>,
    pub(super) ballast: Option<Arc<Ballast>>,
    /// How long the databases on it are, in bytes. redb doubles its file when that is full, and gives most of it
    /// back with a later commit.
    pub(super) databases: Arc<AtomicU64>,
}

impl Disk {
    /// The disk as it is.
    pub fn real() -> Self {
        Self::default()
    }

    /// A disk that fails as told.
    pub fn with_faults(faults: Arc<dyn Faults>) -> Self {
        Self {
            faults: Some(faults),
            ..Self::default()
        }
    }

    pub(super) fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        self.faults
            .as_ref()
            .map_or(Ok(()), |faults| faults.before(call, path))
    }

    pub(super) fn create_folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        self.backed(path, || {
            self.before(Call::CreateFolder, path)?;
            fs::create_dir_all(path)
        })
    }

    pub(crate) fn open(&self, path: &Path) -> io::Result<File> {
        self.before(Call::Open, path)?;
        // A pipe in the place of a file would keep whoever opens it waiting.
        OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
    }

    /// For reading past the page cache. Fails where the filesystem cannot do that.
    pub(crate) fn open_direct(&self, path: &Path) -> io::Result<File> {
        self.before(Call::Open, path)?;
        OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::DIRECT.bits().cast_signed())
            .open(path)
    }

    /// What the name itself stands for: a link is a link.
    pub(crate) fn stat(&self, path: &Path) -> io::Result<fs::Metadata> {
        self.before(Call::Stat, path)?;
        fs::symlink_metadata(path)
    }

    /// For reading and writing; created if missing, never truncated. One of the house's own files: it can have an inode
    /// of the ballast.
    pub(super) fn create(&self, path: &Path) -> io::Result<File> {
        self.backed(path, || self.create_content(path))
    }

    /// The same for content, which passes through where there is no room for it.
    pub(super) fn create_content(&self, path: &Path) -> io::Result<File> {
        self.before(Call::Create, path)?;
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
    }

    pub(super) fn read_at(&self, file: &File, path: &Path, out: &mut [u8], offset: u64) -> io::Result<()> {
        self.before(Call::Read, path)?;
        file.read_exact_at(out, offset)
    }

    /// One `read`: may give less than asked for, and gives nothing at the end.
    pub(crate) fn read_some(
        &self,
        file: &File,
        path: &Path,
        out: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        self.before(Call::Read, path)?;
        loop {
            match file.read_at(out, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    pub(super) fn write_at(&self, file: &File, path: &Path, data: &[u8], offset: u64) -> io::Result<()> {
        self.before(Call::Write, path)?;
        file.write_all_at(data, offset)
    }

    /// One `pwritev`: may write less than asked for.
    pub(super) fn write_vectored_at(
        &self,
        file: &File,
        path: &Path,
        data: &[IoSlice<'_>],
        offset: u64,
    ) -> io::Result<usize> {
        self.before(Call::Write, path)?;
        loop {
            match rustix::io::pwritev(file, data, offset) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Sets the length. Blocks set aside beyond the end are given back, also when the length stays.
    pub(super) fn truncate(&self, file: &File, path: &Path, length: u64) -> io::Result<()> {
        self.before(Call::Truncate, path)?;
        file.set_len(length)
    }

    pub(super) fn allocate(
        &self,
        file: &File,
        path: &Path,
        extent: Extent,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        if length == 0 {
            return Ok(());
        }
        self.before(Call::Allocate, path)?;
        let flags = match extent {
            Extent::Within => FallocateFlags::empty(),
            Extent::Beyond => FallocateFlags::KEEP_SIZE,
        };
        loop {
            match rustix::fs::fallocate(file, flags, offset, length) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    pub(crate) fn sync(&self, file: &File, path: &Path) -> io::Result<()> {
        self.before(Call::Sync, path)?;
        file.sync_data()
    }

    pub(crate) fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.before(Call::SyncFolder, path)?;
        File::open(path)?.sync_all()
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.before(Call::Rename, from)?;
        fs::rename(from, to)?;
        self.settled(from);
        Ok(())
    }

    /// Removes a file; that it was not there is no error.
    pub(crate) fn unlink(&self, path: &Path) -> io::Result<()> {
        self.before(Call::Unlink, path)?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        self.settled(path);
        Ok(())
    }

    pub(crate) fn list(&self, path: &Path) -> io::Result<fs::ReadDir> {
        self.before(Call::List, path)?;
        fs::read_dir(path)
    }

    /// Takes the lock that keeps a second process out, without waiting.
    pub(super) fn lock(&self, file: &File) -> io::Result<()> {
        Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
    }

    pub(super) fn boot(&self) -> BootId {
        let real = BootId::current();
        self.faults.as_ref().map_or(real, |faults| faults.boot(real))
    }
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.faults.is_some() {
            "Disk(faulty)"
        } else {
            "Disk"
        })
    }
}
