//! Opening the index, whatever state it is in.
//!
//! Promises: a damaged index is set aside, never deleted on the spot, and an empty one takes its place; an
//! index that cannot be written is read over memory ([`Overlay`]); one of a newer schema is left alone. Must
//! not know: when to open, or to open again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use redb::{Builder, Database, Durability};

use crate::cache::{
    disk::Disk,
    error::{CacheError, Kind},
    layout::{Layout, SET_ASIDE},
};

use super::{
    backend::{Backend, Backing},
    failure::Failure,
    migrate::{Found, Newer, migrate},
    overlay::Overlay,
};

/// What redb may cache, in bytes. The kernel's page cache has the rest; the box has 16 MiB for the idle
/// process.
const REDB_CACHE: usize = 4 << 20;

/// An open index.
pub(crate) struct Opened {
    pub(crate) database: Database,
    pub(crate) mode: Mode,
    /// Numbers the openings within this process.
    pub(crate) generation: u64,
    /// Whether an index was there; if not, what lies in `blobs/` is to be adopted.
    pub(crate) fresh: bool,
}

/// Where an open index keeps what is written to it.
pub(crate) enum Mode {
    Disk(Arc<Backing>),
    /// In memory only: the disk refuses.
    Memory,
}

/// Whether to believe what lies on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    AsIs,
    /// Read everything and compare checksums: it was found wrong while in use.
    Verify,
}

/// Why an index was not opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// It is for another program to read.
    Newer(Newer),
    /// The disk refuses, for now.
    Refused(CacheError),
}

const OPERATION: &str = "open the index";

/// Opens the index for writing, setting a damaged one aside.
pub(crate) fn open_writable(layout: &Layout, disk: &Disk, trust: Trust) -> Result<Opened, OpenError> {
    match attempt(layout, disk, trust) {
        Err(Attempt::Damaged(failure)) => {
            tracing::error!(
                index = %layout.index.display(),
                cause = %crate::source::chain(&failure.into_error(OPERATION, &layout.index.display())),
                "the index is damaged: it is set aside and the cache starts with an empty one; blob files are kept"
            );
            set_aside(layout, disk)
                .map_err(|error| {
                    CacheError::io("set aside the damaged index", &layout.index.display(), error)
                })
                .map_err(OpenError::Refused)?;
            attempt(layout, disk, Trust::AsIs).map_err(|again| match again {
                Attempt::Newer(newer) => OpenError::Newer(newer),
                Attempt::Damaged(failure) | Attempt::Failed(failure) => refused(layout, failure),
                Attempt::Create(error) => OpenError::Refused(error),
            })
        }
        Err(Attempt::Newer(newer)) => Err(OpenError::Newer(newer)),
        Err(Attempt::Failed(failure)) => Err(refused(layout, failure)),
        Err(Attempt::Create(error)) => Err(OpenError::Refused(error)),
        Ok(opened) => Ok(opened),
    }
}

/// Opens what can be read of the index, with changes in memory. Never fails: the last resort is empty.
pub(crate) fn open_memory(layout: &Layout, disk: &Disk) -> Result<Opened, CacheError> {
    let over = disk
        .open(&layout.index)
        .and_then(|file| Overlay::over(file, layout.index.clone(), disk.clone()));
    if let Ok(overlay) = over {
        let opened = Failure::catch(|| Ok(prepare(builder(Trust::AsIs).create_with_backend(overlay)?)?.0));
        match opened {
            Ok(database) => return Ok(opened_as(database, Mode::Memory, false)),
            Err(failure) => {
                let error = failure.into_error("read the index", &layout.index.display());
                tracing::warn!(cause = %crate::source::chain(&error), "the index cannot be read: nothing is found in it for now");
            }
        }
    }
    let empty =
        Failure::catch(|| Ok(prepare(builder(Trust::AsIs).create_with_backend(Overlay::empty())?)?.0));
    match empty {
        Ok(database) => Ok(opened_as(database, Mode::Memory, false)),
        Err(failure) => Err(failure.into_error("make an index in memory", &"")),
    }
}

enum Attempt {
    Newer(Newer),
    Damaged(Failure),
    Failed(Failure),
    Create(CacheError),
}

fn refused(layout: &Layout, failure: Failure) -> OpenError {
    OpenError::Refused(failure.into_error(OPERATION, &layout.index.display()))
}

fn attempt(layout: &Layout, disk: &Disk, trust: Trust) -> Result<Opened, Attempt> {
    let create = |error: io::Error| {
        let kind = disk.lacking(&error, &layout.dir);
        Attempt::Create(CacheError::io(OPERATION, &layout.index.display(), error).of_kind(kind))
    };
    // Again each time: the folder can have come back, empty, with another disk.
    for folder in [&layout.dir, &layout.fills, &layout.blobs] {
        disk.create_folder(folder).map_err(create)?;
    }
    // What was begun and not finished.
    let _ = disk.unlink(&layout.compacted);
    let file = disk.create(&layout.index).map_err(create)?;
    let fresh = file.metadata().map_err(create)?.len() == 0;
    let backing = Backing::new(file, layout.index.clone(), disk.clone()).map_err(create)?;
    let opened = Failure::catch(|| {
        let database = builder(trust).create_with_backend(Backend(backing.clone()))?;
        prepare(database)
    });
    match opened {
        Ok((_, Found::Newer(newer))) => Err(Attempt::Newer(newer)),
        Ok((database, Found::Current | Found::Changed)) => {
            Ok(opened_as(database, Mode::Disk(backing), fresh))
        }
        Err(failure) => {
            // Whatever redb still holds must not write into a file that is opened again.
            backing.fence();
            if fresh && failure.kind() != Kind::Corrupt {
                // A file that was begun and not finished would be taken for a damaged index.
                let _ = disk.unlink(&layout.index);
            }
            Err(match failure.kind() {
                Kind::Corrupt => Attempt::Damaged(failure),
                _ => Attempt::Failed(failure),
            })
        }
    }
}

pub(super) fn builder(trust: Trust) -> Builder {
    let mut builder = Builder::new();
    builder
        .set_cache_size(REDB_CACHE)
        .set_check_integrity_on_open(trust == Trust::Verify);
    builder
}

/// Makes sure that all tables are there and of this schema.
fn prepare(database: Database) -> Result<(Database, Found), Failure> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    let found = migrate(&transaction)?;
    match found {
        Found::Changed => transaction.commit()?,
        Found::Current | Found::Newer(_) => transaction.abort()?,
    }
    Ok((database, found))
}

pub(super) fn opened_as(database: Database, mode: Mode, fresh: bool) -> Opened {
    static GENERATIONS: AtomicU64 = AtomicU64::new(0);
    Opened {
        database,
        mode,
        generation: GENERATIONS.fetch_add(1, Relaxed),
        fresh,
    }
}

/// Renames a damaged index, and removes those that were set aside before: one is enough for whoever wants
/// to look, and each costs an inode and its bytes.
fn set_aside(layout: &Layout, disk: &Disk) -> io::Result<()> {
    let mut highest = 0;
    for entry in disk.list(&layout.dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(number) = name.to_str().and_then(|name| name.strip_prefix(SET_ASIDE)) {
            highest = highest.max(number.parse().unwrap_or(0u64));
            disk.unlink(&entry.path())?;
        }
    }
    let aside = layout.dir.join(format!("{SET_ASIDE}{}", highest + 1));
    disk.rename(&layout.index, &aside)?;
    // An empty index needs an inode and about a MiB. Where they are lacking, the cache is worth more than
    // the evidence.
    if disk
        .space(&layout.dir)
        .is_ok_and(|space| space.inodes > 0 && space.free_inodes == 0 || space.free_bytes < 4 << 20)
    {
        disk.unlink(&aside)?;
    }
    Ok(())
}
