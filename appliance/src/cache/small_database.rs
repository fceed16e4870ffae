//! A small database of the house's own, besides the index.
//!
//! Promises: it is opened when it is needed, in whatever state the disk is, and opened anew after a failure; a damaged one
//! is set aside and an empty one takes its place; while the disk refuses to write, what is in it can be read; one
//! transaction is on the disk as a whole when [`SmallDatabase::write`] returns, or not at all. A disk that hangs holds
//! its caller, who has a thread for that. Must not know: what is in it.

use std::{io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};
use rustix::io::Errno;

use super::{
    cache::Cache,
    disk::Disk,
    error::{CacheError, Kind},
    index::{Backend, Backing, Failure, Overlay},
};

/// What redb may keep of it in memory, in bytes: a few dozen rows and ranges of them are read.
const CACHE: usize = 256 << 10;

/// One of them. Clones are the same.
#[derive(Clone)]
pub struct SmallDatabase(Arc<Inner>);

struct Inner {
    path: PathBuf,
    disk: Disk,
    open: Mutex<Option<Opened>>,
}

/// An open one.
struct Opened {
    database: Database,
    place: Place,
}

/// Where it is.
enum Place {
    File(Arc<Backing>),
    /// What is there was read, and the disk takes nothing.
    Memory,
    /// Where a test has put it.
    #[cfg(test)]
    Elsewhere,
}

impl Opened {
    /// Nothing that redb still does gets through.
    fn fence(&self) {
        if let Place::File(file) = &self.place {
            file.fence();
        }
    }
}

impl SmallDatabase {
    pub fn new(path: PathBuf, disk: Disk) -> Self {
        let open = Mutex::default();
        Self(Arc::new(Inner { path, disk, open }))
    }

    /// One that a test has opened.
    #[cfg(test)]
    pub(crate) fn over(database: Database) -> Self {
        Self(Arc::new(Inner {
            path: PathBuf::new(),
            disk: Disk::real(),
            open: Mutex::new(Some(Opened {
                database,
                place: Place::Elsewhere,
            })),
        }))
    }

    /// One transaction, durable when this returns. Blocks.
    pub fn write<T>(
        &self,
        operation: &'static str,
        work: impl Fn(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, CacheError> {
        self.with(operation, |opened| {
            if let Place::Memory = opened.place {
                return Err(Failure::from(io::Error::from(Errno::ROFS)));
            }
            let mut transaction = opened.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.set_quick_repair(true);
            let done = work(&transaction).map_err(Failure::Redb)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    /// Reads as of one moment. Blocks.
    pub fn read<T>(
        &self,
        operation: &'static str,
        work: impl Fn(&ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, CacheError> {
        self.with(operation, |opened| {
            let transaction = opened.database.begin_read()?;
            work(&transaction).map_err(Failure::Redb)
        })
    }

    /// Tries on what is open; what is found damaged then is set aside, and a new one is tried once.
    fn with<T>(
        &self,
        operation: &'static str,
        work: impl Fn(&Opened) -> Result<T, Failure>,
    ) -> Result<T, CacheError> {
        let it = &*self.0;
        let mut open = it.open.lock();
        let mut damaged = false;
        loop {
            let result = match &*open {
                Some(opened) => Failure::catch(|| work(opened)),
                None => it.open().and_then(|opened| {
                    let opened = open.insert(opened);
                    Failure::catch(|| work(opened))
                }),
            };
            let failure = match result {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            // After a failed call redb does nothing more with a handle, and one in memory is a snapshot.
            if let Some(opened) = open.take() {
                opened.fence();
            }
            let is_new = failure.kind() == Kind::Corrupt && !damaged;
            let failed = failure.into_error(operation, &it.path.display());
            if !is_new {
                return Err(failed);
            }
            damaged = true;
            tracing::error!(cause = %crate::source::chain(&failed), "it is damaged: it is set aside, and an empty one takes its place");
            it.set_aside()
                .map_err(|error| CacheError::io("set aside", &it.path.display(), error))?;
        }
    }
}

impl Inner {
    fn open(&self) -> Result<Opened, Failure> {
        let on_disk = self.on_disk();
        match on_disk {
            Err(failure) if matches!(failure.kind(), Kind::Full(_) | Kind::Unwritable) => {
                self.in_memory().map_err(|_| failure)
            }
            opened => opened,
        }
    }

    fn on_disk(&self) -> Result<Opened, Failure> {
        let file = self.disk.create(&self.path)?;
        let backing = Backing::new(file, self.path.clone(), self.disk.clone())?;
        let opened = Failure::catch(|| Ok(builder().create_with_backend(Backend(backing.clone()))?));
        match opened {
            Ok(database) => Ok(Opened {
                database,
                place: Place::File(backing),
            }),
            Err(failure) => {
                backing.fence();
                if backing.length() == 0 {
                    // Begun and not finished: it would be taken for a damaged one.
                    let _ = self.disk.unlink(&self.path);
                }
                Err(failure)
            }
        }
    }

    /// What is there, to be read; nothing can be written.
    fn in_memory(&self) -> Result<Opened, Failure> {
        let file = self.disk.open(&self.path)?;
        let overlay = Overlay::over(file, self.path.clone(), self.disk.clone())?;
        let database = Failure::catch(|| Ok(builder().create_with_backend(overlay)?))?;
        Ok(Opened {
            database,
            place: Place::Memory,
        })
    }

    /// At most one is kept, for whoever wants to look.
    fn set_aside(&self) -> io::Result<()> {
        self.disk
            .rename(&self.path, &self.path.with_extension("redb.damaged"))
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

impl Cache {
    /// A database on the cache's disk.
    pub fn small_database(&self, path: PathBuf) -> SmallDatabase {
        SmallDatabase::new(path, self.inner.disk.clone())
    }
}

#[cfg(test)]
mod tests;
