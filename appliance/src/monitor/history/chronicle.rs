//! History being kept: gathered on the sampler's thread, put on the shelf on one of its own.
//!
//! Promises: whoever gathers waits for no disk; ten minutes that are over are put on the shelf once; at an orderly end
//! what was gathered so far is as well. Must not know: who asks.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;

use super::{Archive, Fineness, Gatherer, Limits, Sealed, Shelf, ShelfError, Summary};
use crate::{
    clock::{Clock, Timestamp},
    monitor::Board,
    rule::Series,
    source::chain,
};

/// Of the thread.
const STACK: usize = 256 << 10;
/// Ten minutes that wait for a disk that hangs. More are lost.
const WAITING: usize = 2;
/// How long who asks waits for a disk that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// What keeps history.
pub struct Chronicle<S> {
    shared: Arc<Shared<S>>,
    /// Nothing: it has ended.
    sealed: Mutex<Option<SyncSender<Sealed>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<S> {
    gatherer: Mutex<Gatherer>,
    /// Once it was looked through.
    archive: Mutex<Option<Archive<S>>>,
}

/// Why there is no history to read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    #[error("the disk has not answered for {PATIENCE:?}")]
    Silent,
    #[error("what was written has not been looked through yet")]
    Unopened,
    #[error(transparent)]
    Shelf(#[from] ShelfError),
}

impl<S: Shelf + 'static> Chronicle<S> {
    /// Begins, with what an earlier process has left.
    pub fn start(shelf: S, limits: Limits, clock: Clock) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            gatherer: Mutex::default(),
            archive: Mutex::new(None),
        });
        let (sealed, incoming) = sync_channel(WAITING);
        let own = shared.clone();
        let thread = Builder::new()
            .name("history".to_owned())
            .stack_size(STACK)
            .spawn(move || own.keep(shelf, limits, &clock, &incoming))?;
        Ok(Self {
            shared,
            sealed: Mutex::new(Some(sealed)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What was sampled by now.
    pub fn gather(&self, board: &Board, now: Timestamp) {
        let sealed = self.shared.gatherer.lock().gather(board, now);
        if let (Some(sealed), Some(sender)) = (sealed, &*self.sealed.lock())
            && sender.try_send(sealed).is_err()
        {
            tracing::warn!("the disk hangs: ten minutes of history are lost");
        }
    }

    /// A series in a time, the oldest first. Waits for the disk, for a bounded time.
    pub fn read(
        &self,
        series: &Series,
        fineness: Fineness,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Timestamp, Summary)>, Unread> {
        let archive = self.shared.archive.try_lock_for(PATIENCE).ok_or(Unread::Silent)?;
        let archive = archive.as_ref().ok_or(Unread::Unopened)?;
        Ok(archive.read(series, fineness, from, to)?)
    }

    /// Ends, with what was gathered so far on the shelf. Waits for the disk.
    pub fn end(&self, board: &Board) {
        let sealed = self.shared.gatherer.lock().seal(board);
        let sender = self.sealed.lock().take();
        if let (Some(sealed), Some(sender)) = (sealed, sender) {
            // Where it has ended already there is nobody to tell.
            let _ = sender.send(sealed);
        }
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A panic has been told already.
            let _ = thread.join();
        }
    }
}

impl<S: Shelf> Shared<S> {
    fn keep(&self, shelf: S, limits: Limits, clock: &Clock, incoming: &Receiver<Sealed>) {
        let archive = match Archive::open(shelf, limits) {
            Ok(archive) => archive,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "there is no history for now: it cannot be read");
                return;
            }
        };
        match archive.begun(clock.now()) {
            Ok(begun) => self.gatherer.lock().go_on(begun.as_ref()),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the last minutes of history are begun anew");
            }
        }
        *self.archive.lock() = Some(archive);
        let mut failing = false;
        for sealed in incoming {
            if let Some(archive) = &mut *self.archive.lock() {
                match archive.keep(sealed, clock.now()) {
                    Ok(()) => failing = false,
                    Err(error) if !std::mem::replace(&mut failing, true) => {
                        tracing::warn!(error = %chain(&error), "history is not kept for now");
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::{Disk, SmallDatabase},
        monitor::{Elapsed, Raw, Reading, history::RedbShelf},
        rule::Metric,
    };

    fn round(board: &mut Board, at: u64, value: f64) {
        let reading = Reading {
            series: Series::alone(Metric::MemoryUsed),
            raw: Raw::Gauge(value),
            limit: None,
        };
        let elapsed = Elapsed {
            since_start: Duration::from_secs(at),
            took: Duration::ZERO,
        };
        board.take(&[reading], elapsed, Timestamp(at));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_gathered_is_there_for_the_next_process() {
        let dir = tempfile::tempdir().expect("a folder");
        let shelf = || RedbShelf::new(SmallDatabase::new(dir.path().join("state.redb"), Disk::real()));
        let begin = 1_800_000_000;
        let clock_at = |after: u64| Clock::starting_at(Duration::from_secs(begin + after));
        let limits = Limits::of_disk(1 << 30);
        let series = Series::alone(Metric::MemoryUsed);
        let mut board = Board::default();
        for life in 0..2 {
            let chronicle = Chronicle::start(shelf(), limits, clock_at(life * 780)).expect("started");
            // It goes on with what was begun.
            while matches!(
                chronicle.read(&series, Fineness::Minute, Timestamp(0), Timestamp(1)),
                Err(Unread::Unopened)
            ) {
                std::thread::yield_now();
            }
            for round_at in (begin + life * 780..begin + (life + 1) * 780).step_by(10) {
                round(&mut board, round_at, 0.25);
                chronicle.gather(&board, Timestamp(round_at));
            }
            chronicle.end(&board);
        }
        let chronicle = Chronicle::start(shelf(), limits, clock_at(1600)).expect("started");
        let read = loop {
            let (from, to) = (Timestamp(begin), Timestamp(begin + 1560));
            match chronicle.read(&series, Fineness::Minute, from, to) {
                Err(Unread::Unopened) => std::thread::yield_now(),
                read => break read.expect("read"),
            }
        };
        assert_eq!(read.len(), 26, "each minute once: {read:?}");
        assert!(
            read.iter()
                .all(|(_, summary)| (summary.average - 0.25).abs() < 0.01)
        );
    }
}
