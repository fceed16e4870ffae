//! The one writer: a thread that turns commands into transactions.
//!
//! Everything that waits is written in one transaction, and every reply comes after it is durable. When the
//! disk refuses, the index is opened anew and the batch tried once more; if it cannot be opened for writing,
//! it is read over memory and opening is tried again, less and less often. Commands are refused meanwhile.
//!
//! Promises: the thread ends only when it is told to close or nobody can send any more; no panic ends it.
//! Must not know: who reads, what is being filled.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use redb::Durability;

use crate::{
    cache::error::{CacheError, Kind, Resource},
    heartbeat::Work,
    source::chain,
};

use super::{
    command::{Command, Done},
    compaction::Compactions,
    failure::Failure,
    open::{Mode, Trust},
    queue::{Message, Reply},
    reopening::RETRY,
    shared::{Shared, State},
    tables::{Writing, meta},
};

/// The most commands in one transaction: bounds how long the first of them waits for its reply.
const BATCH: usize = 256;
/// The most content in one transaction, in bytes: bounds what redb holds in memory.
const BATCH_BYTES: usize = 2 << 20;
/// How long times of tags are kept back. A page of flash is rewritten for each, and losing five minutes of
/// them costs one request to the upstream per tag.
const KEEP_BACK: Duration = Duration::from_secs(300);
/// How long the thread sleeps when nothing is to be done. It wakes for times of tags, which are minutes old.
const IDLE: Duration = Duration::from_secs(10);

pub(super) const OPERATION: &str = "write to the index";

/// The thread's state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    inbox: Receiver<Message>,
    pub(super) compactions: Compactions,
    flushed: Instant,
    pub(super) retry_at: Instant,
    pub(super) retry_pause: Duration,
}

/// A command of the current batch.
struct Entry {
    command: Command,
    reply: Option<Reply>,
    /// Nothing for what the writer thought of itself.
    work: Option<Work>,
}

impl Entry {
    fn answer(self, result: Result<Done, CacheError>) {
        if let Err(error) = &result
            && self.reply.is_none()
        {
            tracing::debug!(cause = %chain(error), "a change to the index that nobody waits for was not made");
        }
        // It is done when somebody hears of it, at the latest.
        drop(self.work);
        if let Some(reply) = self.reply {
            // Whoever asked may have gone: the change is made all the same.
            let _ = reply.send(result);
        }
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, inbox: Receiver<Message>) -> Self {
        let now = Instant::now();
        Self {
            shared,
            inbox,
            compactions: Compactions::default(),
            flushed: now,
            retry_at: now + RETRY.0,
            retry_pause: RETRY.0,
        }
    }

    /// Runs until the end of the cache.
    pub(super) fn run(mut self) {
        let mut next = None;
        loop {
            let message = match next.take() {
                Some(message) => Ok(message),
                None => self.inbox.recv_timeout(self.pause()),
            };
            match message {
                Ok(Message::Change {
                    command, reply, work, ..
                }) => {
                    next = self.batch(Entry {
                        command,
                        reply,
                        work: Some(work),
                    });
                }
                Ok(Message::Stale { generation, damaged }) => self.stale(generation, damaged),
                Ok(Message::Compact { queue, reply }) => self.begin_compaction(queue, reply),
                Ok(Message::Copied) => self.finish_compaction(),
                Ok(Message::Close { reply }) => {
                    self.close();
                    let _ = reply.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.close();
                    return;
                }
            }
            self.housekeeping();
        }
    }

    /// How long to wait for a message before looking after the house.
    fn pause(&self) -> Duration {
        if self.shared.is_passing_through() {
            RETRY.0
        } else {
            IDLE
        }
    }

    /// Takes what else waits into one batch. A message that is no change ends it and is handed back.
    fn batch(&mut self, first: Entry) -> Option<Message> {
        let mut weight = first.command.weight();
        let mut batch = vec![first];
        let mut other = None;
        while batch.len() < BATCH && weight < BATCH_BYTES {
            match self.inbox.try_recv() {
                Ok(Message::Change {
                    command, reply, work, ..
                }) => {
                    weight += command.weight();
                    batch.push(Entry {
                        command,
                        reply,
                        work: Some(work),
                    });
                }
                Ok(message) => {
                    other = Some(message);
                    break;
                }
                Err(_) => break,
            }
        }
        self.write(batch);
        other
    }

    fn write(&mut self, batch: Vec<Entry>) {
        let opened = self.shared.current.load_full();
        let Mode::Disk(backing) = &opened.mode else {
            let why = self.shared.why();
            for entry in batch {
                entry.answer(Err(why.clone()));
            }
            return;
        };
        let (mut batch, untrue): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .partition(|entry| self.still_true(&entry.command));
        for entry in untrue {
            entry.answer(Ok(Done::Nothing));
        }
        if batch.iter().any(|entry| entry.command.grows()) && !backing.ready_to_grow() {
            batch = self.refuse_growth(batch);
        }
        drop(opened);
        if batch.is_empty() {
            return;
        }
        let Err(failure) = self.commit(&mut batch) else {
            return;
        };
        // Once more, with the index opened anew. If there was no room, then without what needs it.
        if !self.reopen_after(&failure) {
            let why = self.shared.why();
            for entry in batch {
                entry.answer(Err(why.clone()));
            }
            return;
        }
        if matches!(failure.kind(), Kind::Full(_)) {
            batch = self.refuse_growth(batch);
            self.unlink_first(&batch);
        }
        if let Err(failure) = self.commit(&mut batch) {
            self.reopen_after(&failure);
            let error = failure.into_error(OPERATION, &self.shared.layout.index.display());
            if matches!(error.kind(), Kind::Full(_)) {
                self.shared.enter(State::pass_through(&error));
            }
            for entry in batch {
                entry.answer(Err(error.clone()));
            }
        }
    }

    /// Whether a command that rests on what a reader saw on the disk still applies.
    fn still_true(&self, command: &Command) -> bool {
        let Command::Lost { digest, found } = command else {
            return true;
        };
        let now = std::fs::metadata(self.shared.layout.blob(digest));
        now.map(|metadata| metadata.len()).ok() == *found
    }

    fn refuse_growth(&self, batch: Vec<Entry>) -> Vec<Entry> {
        let (growing, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|entry| entry.command.grows());
        if !growing.is_empty() {
            let error = CacheError::refused(
                OPERATION,
                &self.shared.layout.index.display(),
                Kind::Full(Resource::Bytes),
                "the disk has no room for the index to grow",
            );
            self.shared.enter(State::pass_through(&error));
            for entry in growing {
                entry.answer(Err(error.clone()));
            }
        }
        others
    }

    /// Evicts the files before their rows: the rows could not be written for lack of room, and a row
    /// without its file heals itself.
    fn unlink_first(&self, batch: &[Entry]) {
        for entry in batch {
            if let Command::Evict { digest } = &entry.command {
                self.unlink(digest);
            }
        }
    }

    fn unlink(&self, digest: &crate::oci::Digest) {
        let path = self.shared.layout.blob(digest);
        if let Err(error) = self.shared.disk.unlink(&path) {
            tracing::warn!(file = %path.display(), cause = %error, "a blob that is not listed any more could not be removed");
        }
    }

    /// Writes a batch in one transaction and answers each of it. On a failure of the transaction nothing is
    /// answered and the batch stays.
    fn commit(&mut self, batch: &mut Vec<Entry>) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let opened = self.shared.current.load_full();
        let now = self.shared.clock.now();
        let began = Instant::now();
        let outcomes = Failure::catch(|| {
            let mut transaction = opened.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.set_quick_repair(true);
            let mut outcomes = Vec::with_capacity(batch.len());
            {
                let mut tables = Writing::open(&transaction)?;
                for entry in batch.iter() {
                    match entry.command.apply(&mut tables, now) {
                        // One row that cannot be read concerns one command.
                        Err(failure @ Failure::Decode(_)) => outcomes.push(Err(failure)),
                        outcome => outcomes.push(Ok(outcome?)),
                    }
                }
                tables.meta.insert(meta::SEEN, now.0)?;
            }
            transaction.commit()?;
            Ok(outcomes)
        });
        self.shared.count_writing(began.elapsed());
        let outcomes = match outcomes {
            Ok(outcomes) => outcomes,
            Err(failure) => {
                self.shared.count_error();
                return Err(failure);
            }
        };
        self.shared.count_commit();
        let index = self.shared.layout.index.clone();
        let index = index.display();
        for (entry, outcome) in batch.drain(..).zip(outcomes) {
            if let Ok(Done::Unlisted(digest)) = &outcome {
                self.unlink(digest);
            }
            if let Ok(done) = &outcome {
                self.journal(&entry.command, done, now);
            }
            entry.answer(outcome.map_err(|failure| failure.into_error(OPERATION, &index)));
        }
        if let Mode::Disk(backing) = &opened.mode
            && backing.is_whole()
        {
            self.shared.enter(State::Healthy);
        }
        Ok(())
    }

    /// Writes the times of tags that were kept back. In memory they stay readable: writing waits for the disk.
    pub(super) fn flush(&mut self) {
        self.flushed = Instant::now();
        if self.shared.fresh.is_empty() || matches!(self.shared.current.load().mode, Mode::Memory) {
            return;
        }
        self.write(vec![Entry {
            command: Command::Refreshes(self.shared.fresh.take()),
            reply: None,
            work: None,
        }]);
    }

    fn housekeeping(&mut self) {
        let now = Instant::now();
        if matches!(self.shared.current.load().mode, Mode::Memory) {
            if now >= self.retry_at {
                self.reopen(Trust::AsIs);
            }
            return;
        }
        if now.duration_since(self.flushed) >= KEEP_BACK {
            self.flush();
        }
        if self.shared.is_passing_through()
            && let Mode::Disk(backing) = &self.shared.current.load().mode
            && backing.ready_to_grow()
        {
            self.shared.enter(State::Healthy);
        }
    }
}
