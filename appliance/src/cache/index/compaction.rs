//! Compaction: a smaller file takes the index's place while it is in use.
//!
//! A thread copies a snapshot of the index ([`super::copy`]). What is written meanwhile goes to the index as always
//! and into a journal besides. When the copy is there, the writer makes the same changes to it, which are few, renames
//! it over the index and lets new readers read from it; those who read in the old file finish there.
//!
//! Promises: nobody who reads waits; who writes waits for the journal and two syncs at most; until the rename nothing
//! of the index has changed, so that a failure, a kill or a power cut in between costs nothing but the copy. Must not
//! know: when it is worth it.

use std::{sync::Arc, time::Instant};

use redb::Durability;
use tokio::sync::oneshot;

use crate::{
    cache::error::{CacheError, Kind},
    clock::Timestamp,
    source::chain,
};

use super::{
    command::{Command, Done, Guard, Unit},
    copy::{Copied, Copying},
    failure::Failure,
    open::{Mode, Trust, opened_as},
    queue::{Message, Queue},
    tables::Writing,
    writer::Writer,
};

const OPERATION: &str = "compact the index";
/// The most that the journal holds, in changes and in bytes of content. An index that is written to more than this
/// while it is copied is not idle.
const JOURNAL: (usize, usize) = (8192, 4 << 20);

/// What came of it: the length of the index's file in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    pub before: u64,
    pub after: u64,
}

pub(super) type Reply = oneshot::Sender<Result<Compacted, CacheError>>;

/// What the writer knows of compactions.
#[derive(Default)]
pub(super) struct Compactions {
    current: Option<Compaction>,
    /// One that was given up and has not ended yet.
    left: Option<Copying>,
}

impl Compactions {
    /// Lets go of one that was given up, if it has ended.
    fn tidy(&mut self) {
        if let Some(left) = self.left.take_if(|left| left.is_finished()) {
            left.discard();
        }
    }

    /// Whether there is a thread that copies.
    fn is_busy(&self) -> bool {
        self.current.is_some() || self.left.is_some()
    }
}

/// A compaction that is under way.
struct Compaction {
    copying: Copying,
    journal: Journal,
    reply: Reply,
}

/// Changes, in their order, with the time at which each was made.
#[derive(Default)]
struct Journal {
    changes: Vec<(Command, Timestamp)>,
    /// About how much there is, in changes and in bytes.
    count: usize,
    bytes: usize,
}

impl Journal {
    /// Whether there was room for it.
    fn note(&mut self, command: &Command, done: &Done, now: Timestamp) -> bool {
        self.bytes += command.weight();
        let command = settled(command, done);
        self.count += match &command {
            Command::Retire { units, .. } => {
                units.iter().map(|unit| unit.freed.len() + unit.tags.len()).sum()
            }
            Command::Refreshes(refreshes) => refreshes.len(),
            _ => 1,
        };
        self.changes.push((command, now));
        self.count <= JOURNAL.0 && self.bytes <= JOURNAL.1
    }
}

/// The command such that it does the same once more. What it looked at outside of the index is another by then.
fn settled(command: &Command, done: &Done) -> Command {
    match (command, done) {
        (Command::Retire { units, .. }, Done::Retired(retired)) => {
            let went = units.iter().enumerate();
            let went = went.filter(|(number, _)| !retired.spared.contains(number));
            let alone = |unit: &Unit| Unit {
                after: Vec::new(),
                ..unit.clone()
            };
            Command::Retire {
                units: went.map(|(_, unit)| alone(unit)).collect(),
                guard: Guard::Nothing,
            }
        }
        (command, _) => command.clone(),
    }
}

fn refused(why: &'static str, kind: Kind, writer: &Writer) -> CacheError {
    CacheError::refused(OPERATION, &writer.shared.layout.index.display(), kind, why)
}

impl Writer {
    /// Starts to copy, unless that goes on already.
    pub(super) fn begin_compaction(&mut self, queue: Queue, reply: Reply) {
        self.compactions.tidy();
        let started = self.start_copying(queue);
        match started {
            Ok(copying) => {
                self.compactions.current = Some(Compaction {
                    copying,
                    journal: Journal::default(),
                    reply,
                });
            }
            Err(error) => answer(reply, Err(error)),
        }
    }

    fn start_copying(&self, queue: Queue) -> Result<Copying, CacheError> {
        if self.compactions.is_busy() {
            return Err(refused("it is being compacted already", Kind::Busy, self));
        }
        let current = self.shared.current.load_full();
        if matches!(current.mode, Mode::Memory) {
            return Err(self
                .shared
                .why()
                .during(OPERATION, &self.shared.layout.index.display()));
        }
        let done = move || queue.send(Message::Copied);
        Copying::start(
            current,
            self.shared.layout.compacted.clone(),
            self.shared.disk.clone(),
            done,
        )
        .map_err(|failure| self.failed(failure))
    }

    fn failed(&self, failure: Failure) -> CacheError {
        failure.into_error(OPERATION, &self.shared.layout.index.display())
    }

    /// A change was made: the copy will need it too.
    pub(super) fn journal(&mut self, command: &Command, done: &Done, now: Timestamp) {
        if let Some(compaction) = &mut self.compactions.current
            && !compaction.journal.note(command, done, now)
        {
            self.abandon("so much is written to it that a copy is never up to date");
        }
    }

    /// Gives up the copy, if there is one. Does not wait for its end.
    pub(super) fn abandon(&mut self, why: &'static str) {
        if let Some(compaction) = self.compactions.current.take() {
            compaction.copying.stop();
            self.compactions.left = Some(compaction.copying);
            answer(compaction.reply, Err(refused(why, Kind::Busy, self)));
        }
    }

    /// Gives up the copy and waits for its end, unless the disk hangs.
    pub(super) fn end_compaction(&mut self) {
        self.abandon("the cache is closed");
        if let Some(left) = self.compactions.left.take()
            && left.wait()
        {
            left.discard();
        }
    }

    /// The copy is there, or has failed.
    pub(super) fn finish_compaction(&mut self) {
        self.compactions.tidy();
        let current = &mut self.compactions.current;
        let Some(Compaction {
            copying,
            journal,
            reply,
        }) = current.take_if(|current| current.copying.is_finished())
        else {
            return;
        };
        let before = self.length();
        let replaced = copying
            .finish()
            .and_then(|copied| self.catch_up(copied, &journal));
        let outcome = match replaced {
            Ok(copied) => self.take_over(copied).map(|()| Compacted {
                before,
                after: self.length(),
            }),
            Err(failure) => Err(self.failed(failure)),
        };
        if outcome.is_ok() {
            self.shared.count_compaction();
        }
        answer(reply, outcome);
    }

    fn length(&self) -> u64 {
        match &self.shared.current.load().mode {
            Mode::Disk(backing) => backing.length(),
            Mode::Memory => 0,
        }
    }

    /// Makes the journal's changes to the copy. Durable when it returns.
    fn catch_up(&self, copied: Copied, journal: &Journal) -> Result<Copied, Failure> {
        let began = Instant::now();
        let caught_up = Failure::catch(|| {
            let mut transaction = copied.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.set_quick_repair(true);
            {
                let mut tables = Writing::open(&transaction)?;
                for (command, then) in &journal.changes {
                    command.apply(&mut tables, *then)?;
                }
            }
            transaction.commit()?;
            Ok(())
        });
        self.shared.count_writing(began.elapsed());
        match caught_up {
            Ok(()) => Ok(copied),
            Err(failure) => {
                copied.discard();
                Err(failure)
            }
        }
    }

    /// Puts the copy in the place of the index.
    fn take_over(&mut self, copied: Copied) -> Result<(), CacheError> {
        let layout = self.shared.layout.clone();
        let failed = |error| CacheError::io(OPERATION, &layout.index.display(), error);
        if let Err(error) = self.shared.disk.rename(&layout.compacted, &layout.index) {
            copied.discard();
            return Err(failed(error));
        }
        // Before anything is written that must be found under this name.
        if let Err(error) = self.shared.disk.sync_folder(&layout.dir) {
            copied.backing.fence();
            drop(copied);
            // Whichever file bears the name is the index; both say the same.
            self.reopen(Trust::AsIs);
            return Err(failed(error));
        }
        copied.backing.rename(layout.index.clone());
        let opened = opened_as(copied.database, Mode::Disk(copied.backing), false);
        let old = self.shared.current.swap(Arc::new(opened));
        if let Mode::Disk(backing) = &old.mode {
            // Nothing changes the old file any more: who reads in it may go on.
            backing.fence();
        }
        self.shared.announce();
        Ok(())
    }
}

fn answer(reply: Reply, outcome: Result<Compacted, CacheError>) {
    match &outcome {
        Ok(Compacted { before, after }) => tracing::info!(before, after, "the index was compacted"),
        Err(error) => tracing::info!(cause = %chain(error), "the index was not compacted"),
    }
    // Whoever asked may have gone.
    let _ = reply.send(outcome);
}
