//! A box that is sampled and restarted, on a database in memory that counts and a shelf that can refuse.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use redb::{Builder, StorageBackend, backends::InMemoryBackend};

use crate::{
    cache::SmallDatabase,
    clock::Timestamp,
    monitor::{
        Board, Elapsed, Sheet,
        history::{Archive, Batch, Fineness, Gatherer, Limits, RedbShelf, Shelf, ShelfError, Summary},
    },
    rule::{Metric, Series},
};

/// When it is switched on.
pub(super) const START: u64 = 1_800_000_000;

/// Counts what is written to it.
#[derive(Debug, Default)]
struct Counted {
    memory: InMemoryBackend,
    bytes: Arc<AtomicU64>,
    syncs: Arc<AtomicU64>,
}

impl StorageBackend for Counted {
    fn len(&self) -> Result<u64, io::Error> {
        self.memory.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.memory.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.memory.set_len(len)
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.syncs.fetch_add(1, Relaxed);
        self.memory.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.bytes.fetch_add(data.len() as u64, Relaxed);
        self.memory.write(offset, data)
    }
}

/// Refuses while it is told to, and counts transactions.
#[derive(Clone, Debug)]
pub(super) struct Moody {
    pub(super) shelf: RedbShelf,
    pub(super) refuses: Arc<AtomicBool>,
    pub(super) writes: Arc<AtomicU64>,
}

impl Shelf for Moody {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        if self.refuses.load(Relaxed) {
            return Err(ShelfError {
                operation: "write",
                source: "the disk is full".into(),
            });
        }
        self.writes.fetch_add(1, Relaxed);
        self.shelf.write(batch)
    }

    fn read(
        &self,
        fineness: Fineness,
        from: Timestamp,
        to: Timestamp,
        take: &mut dyn FnMut(Timestamp, &[u8]),
    ) -> Result<(), ShelfError> {
        self.shelf.read(fineness, from, to, take)
    }
}

pub(super) struct Site {
    pub(super) board: Board,
    pub(super) gatherer: Gatherer,
    pub(super) shelf: Moody,
    pub(super) archive: Archive<Moody>,
    pub(super) limits: Limits,
    pub(super) now: u64,
    pub(super) sheet: Sheet,
    pub(super) written: Arc<AtomicU64>,
}

impl Site {
    pub(super) fn new(limits: Limits) -> Self {
        let backend = Counted::default();
        let written = backend.bytes.clone();
        let database = Builder::new()
            .set_cache_size(1 << 20)
            .create_with_backend(backend)
            .expect("a database");
        let shelf = Moody {
            shelf: RedbShelf::new(SmallDatabase::over(database)),
            refuses: Arc::default(),
            writes: Arc::default(),
        };
        Self {
            board: Board::default(),
            gatherer: Gatherer::default(),
            archive: Archive::open(shelf.clone(), limits).expect("opened"),
            shelf,
            limits,
            now: START,
            sheet: Sheet::new(200),
            written,
        }
    }

    /// Samples until a time, every `interval` seconds.
    pub(super) fn until(
        &mut self,
        end: u64,
        interval: u64,
        mut read: impl FnMut(u64, &mut Sheet),
    ) -> Vec<String> {
        let mut refused = Vec::new();
        while self.now < end {
            self.now += interval;
            let now = Timestamp(self.now);
            self.sheet.clear();
            read(self.now, &mut self.sheet);
            let at = Elapsed {
                since_start: Duration::from_secs(self.now - START),
                took: Duration::ZERO,
            };
            self.board.take(self.sheet.readings(), at, now);
            if let Some(sealed) = self.gatherer.gather(&self.board, now)
                && let Err(error) = self.archive.keep(sealed, now)
            {
                refused.push(error.to_string());
            }
        }
        refused
    }

    /// Ends in order.
    pub(super) fn end(&mut self) {
        if let Some(sealed) = self.gatherer.seal(&self.board) {
            self.archive.keep(sealed, Timestamp(self.now)).expect("kept");
        }
    }

    /// Begins anew after so many seconds, with what is on the shelf.
    pub(super) fn restart(&mut self, after: u64) {
        self.now += after;
        self.board = Board::default();
        self.archive = Archive::open(self.shelf.clone(), self.limits).expect("opened");
        let begun = self.archive.begun(Timestamp(self.now)).expect("read");
        self.gatherer = Gatherer::resume(begun.as_ref());
    }

    pub(super) fn read(&self, fineness: Fineness) -> Vec<(u64, Summary)> {
        let series = Series::alone(Metric::Load);
        let read = self
            .archive
            .read(&series, fineness, Timestamp(0), Timestamp(self.now))
            .expect("read");
        read.into_iter().map(|(at, summary)| (at.0, summary)).collect()
    }
}
