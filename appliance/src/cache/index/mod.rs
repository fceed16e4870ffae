//! The index: what the cache has, in redb.
//!
//! | file | what |
//! |---|---|
//! | [`tables`], [`rows`] | what is stored, and how |
//! | [`migrate`] | the schema's version |
//! | [`backend`], [`overlay`] | what redb stores its pages in: the file, or memory when the disk refuses |
//! | [`open`] | opening it in whatever state it is |
//! | [`command`], [`queue`], [`writer`] | changes: one thread, batched, durable before the reply |
//! | [`apply`], [`listing`] | what each change does to the tables |
//! | [`compaction`], [`copy`] | a smaller file in its place, while it is in use |
//! | [`reopening`] | another file, or the end |
//! | [`shared`] | what the writer and the readers share |
//! | [`fresh`] | times of tags that are not worth a write each |
//! | [`read`], [`lists`] | looking things up, one by one and in long lists |
//! | [`mend`] | rows that cannot be read |
//!
//! Every commit saves redb's allocator state (quick repair). Measured on a machine of two busy cores with
//! 300 000 rows, 128 MiB: opening after a kill took 70 ms instead of 265 ms with the file in memory (without,
//! all of the file is read, from a slow disk if need be), for 8 ms instead of 3 ms per commit of one row. The
//! whole process with 200 000 inline blobs, just written: 12 MiB resident.
//!
//! Promises: reads never wait for the writer's transactions; when the index is opened anew they wait for
//! that at most [`PATIENCE`]. An index that cannot be written can still be read. Must not know: files other
//! than its own, except that it unlinks a blob after its row.

mod apply;
mod backend;
mod command;
mod compaction;
mod copy;
mod failure;
mod fresh;
mod listing;
mod lists;
mod mend;
mod migrate;
mod open;
mod overlay;
mod queue;
mod read;
mod reopening;
mod rows;
mod shared;
mod tables;
mod writer;

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use redb::ReadableDatabase;
use tokio::sync::Notify;

use crate::{clock::Clock, heartbeat::Beat};

pub(crate) use backend::{BALLAST, Backend, Backing};
pub(crate) use command::{Command, Done, Guard, Unit};
pub use compaction::Compacted;
pub(crate) use failure::Failure;
pub(crate) use fresh::{Kept, Refresh};
pub(crate) use overlay::Overlay;
pub(crate) use queue::Outcome;
pub(crate) use read::{Found, Sums, Wrong};
pub(crate) use rows::Place;
pub use shared::{Counters, State};

use fresh::FreshTags;
use open::{Mode, OpenError, Trust, open_memory, open_writable};
use queue::{Damaged, Queue};
use shared::Shared;
use tables::Reading;
use writer::Writer;

use super::{
    disk::Disk,
    error::{CacheError, Kind},
    layout::Layout,
};

/// How long a read waits for an index that is being opened anew. Opening takes milliseconds, and whoever
/// reads would otherwise fetch over the WAN what is here.
const PATIENCE: Duration = Duration::from_millis(100);

/// An index on the disk, told apart from those that were open before and those that come after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    generation: u64,
    /// How many times everything was forgotten before it.
    pub(crate) losses: u64,
}

/// The index. Clones are the same index.
#[derive(Clone)]
pub(crate) struct Index {
    shared: Arc<Shared>,
    queue: Queue,
}

impl Index {
    /// Opens the index, over memory if it must be, and starts the writer. Fails for an index of a newer
    /// program.
    pub(crate) fn open(
        layout: &Layout,
        disk: &Disk,
        clock: &Clock,
        lock: Option<File>,
    ) -> Result<Self, CacheError> {
        let (opened, state) = match open_writable(layout, disk, Trust::AsIs) {
            Ok(opened) => (opened, State::Healthy),
            Err(OpenError::Newer(newer)) => {
                return Err(CacheError::new(
                    "open the index",
                    &layout.index.display(),
                    Kind::Unwritable,
                    newer,
                ));
            }
            Err(OpenError::Refused(error)) => {
                let memory = open_memory(layout, disk)?;
                (memory, State::pass_through(&error))
            }
        };
        let shared = Arc::new(Shared {
            layout: layout.clone(),
            disk: disk.clone(),
            clock: clock.clone(),
            lost: Arc::default(),
            current: ArcSwap::from_pointee(opened),
            state: ArcSwap::from_pointee(State::Healthy),
            fresh: FreshTags::default(),
            damages: Mutex::default(),
            commits: AtomicU64::new(0),
            reopens: AtomicU64::new(0),
            compactions: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            writing: AtomicU64::new(0),
            losses: AtomicU64::new(0),
            turn: (Mutex::new(()), Condvar::new()),
            lock: Mutex::new(lock),
        });
        shared.enter(state);
        let (queue, inbox) = Queue::new();
        let writer = Writer::new(shared.clone(), inbox);
        thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| CacheError::io("start the index's writer", &"", error))?;
        Ok(Self { shared, queue })
    }

    /// Makes a change; durable when the future resolves. Dropping the future does no harm.
    pub(crate) async fn ask(&self, command: Command) -> Result<Done, CacheError> {
        self.queue.ask(command).await
    }

    /// Makes changes and waits for all of them, on a thread that may block.
    pub(crate) fn ask_all_blocking(&self, commands: Vec<Command>) -> Vec<Result<Done, CacheError>> {
        self.queue.ask_all_blocking(commands)
    }

    /// Makes a change; the outcome can be waited for later, or never.
    pub(crate) fn promise(&self, command: Command) -> Outcome {
        self.queue.promise(command)
    }

    /// Makes a change that nobody waits for.
    pub(crate) fn tell(&self, command: Command) {
        self.queue.tell(command);
    }

    /// Makes a change if the writer has time. For what will be found again.
    pub(crate) fn suggest(&self, command: Command) {
        self.queue.suggest(command);
    }

    /// Puts a smaller file in the index's place while it is in use.
    pub(crate) async fn compact(&self) -> Result<Compacted, CacheError> {
        self.queue.compact().await
    }

    pub(crate) async fn close(&self) {
        self.queue.close().await;
    }

    pub(crate) fn state(&self) -> State {
        (**self.shared.state.load()).clone()
    }

    /// Why changes do not reach the disk.
    pub(crate) fn refusal(&self) -> CacheError {
        self.shared.why()
    }

    /// Whether changes reach the disk now.
    pub(crate) fn is_writable(&self) -> bool {
        matches!(self.shared.current.load().mode, Mode::Disk(_))
    }

    /// Which index answers now; nothing while it is in memory and knows nothing for certain. If it is the same
    /// before and after some reads, then all of them were answered by it.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let current = self.shared.current.load();
        matches!(current.mode, Mode::Disk(_)).then(|| Standing {
            generation: current.generation,
            losses: self.shared.losses.load(SeqCst),
        })
    }

    /// What the writer does with the changes that wait.
    pub(crate) fn beat(&self) -> Beat {
        self.queue.beat()
    }

    /// Told when the index was lost while in use.
    pub(crate) fn lost(&self) -> Arc<Notify> {
        self.shared.lost.clone()
    }

    pub(crate) fn counters(&self) -> Counters {
        Counters {
            commits: self.shared.commits.load(Relaxed),
            reopens: self.shared.reopens.load(Relaxed),
            compactions: self.shared.compactions.load(Relaxed),
            errors: self.shared.errors.load(Relaxed),
            writing: Duration::from_micros(self.shared.writing.load(Relaxed)),
            damaged_rows: Self::damages(&self.shared.damages),
        }
    }

    /// The length of the index's file in bytes; 0 while there is none.
    pub(crate) fn file_length(&self) -> u64 {
        match &self.shared.current.load().mode {
            Mode::Disk(backing) => backing.length(),
            Mode::Memory => 0,
        }
    }

    pub(crate) fn fresh(&self) -> &FreshTags {
        &self.shared.fresh
    }

    /// Runs `look` on a snapshot. If the index turns out to be unusable, waits for its successor, briefly.
    fn read<T>(
        &self,
        operation: &'static str,
        subject: &dyn std::fmt::Display,
        look: impl Fn(&Reading<'_>) -> Result<T, Failure>,
    ) -> Result<T, CacheError> {
        let mut waited = false;
        loop {
            let opened = self.shared.current.load_full();
            let failure = match Failure::catch(|| look(&Reading(&opened.database.begin_read()?))) {
                Ok(found) => return Ok(found),
                Err(failure) => failure,
            };
            let damaged = match failure.kind() {
                Kind::Corrupt if !failure.is_decode() => Damaged::Content,
                // A row that cannot be read is the caller's to report.
                Kind::Corrupt => return Err(failure.into_error(operation, subject)),
                _ => Damaged::Handle,
            };
            self.queue.stale(opened.generation, damaged);
            if waited || !self.wait_for_successor(opened.generation) {
                return Err(failure.into_error(operation, subject));
            }
            waited = true;
        }
    }

    /// Waits until another index than this one is open. Whether there is one.
    fn wait_for_successor(&self, generation: u64) -> bool {
        let mut turn = self.shared.turn.0.lock();
        let arrived = || self.shared.current.load().generation != generation;
        if !arrived() {
            self.shared.turn.1.wait_for(&mut turn, PATIENCE);
        }
        arrived()
    }
}
