//! What the writer and the readers share: which index is open, whether the cache stores, and counters.
//!
//! Promises: looking at it takes no lock. Must not know: what is read or written.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use crate::{
    cache::{
        disk::Disk,
        error::{CacheError, Kind, Reason},
        layout::Layout,
    },
    clock::Clock,
    source::chain,
};

use super::{
    fresh::FreshTags,
    mend::Damages,
    open::{Opened, open_memory},
};

/// Whether the cache stores.
#[derive(Clone, Debug)]
pub enum State {
    Healthy,
    /// Content passes through without being stored: the last write was refused.
    PassThrough {
        /// The refusal and its causes on one line.
        why: Arc<str>,
    },
}

impl State {
    pub(super) fn pass_through(error: &CacheError) -> Self {
        Self::PassThrough {
            why: chain(error).into(),
        }
    }
}

/// How often things happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Durable transactions.
    pub commits: u64,
    /// Times the index was opened anew.
    pub reopens: u64,
    /// Times that a smaller file took the index's place.
    pub compactions: u64,
    /// Transactions and openings that failed.
    pub errors: u64,
    /// How long the writer was busy with transactions: nobody else writes meanwhile.
    pub writing: Duration,
    /// Rows that could not be read, and were removed.
    pub damaged_rows: u64,
}

/// What the writer and the readers share.
pub(super) struct Shared {
    pub(super) layout: Layout,
    pub(super) disk: Disk,
    pub(super) clock: Clock,
    pub(super) current: ArcSwap<Opened>,
    pub(super) state: ArcSwap<State>,
    pub(super) fresh: FreshTags,
    pub(super) damages: Mutex<Damages>,
    pub(super) commits: AtomicU64,
    pub(super) reopens: AtomicU64,
    pub(super) compactions: AtomicU64,
    pub(super) errors: AtomicU64,
    /// In microseconds.
    pub(super) writing: AtomicU64,
    /// Times that an empty index took the place of another.
    pub(super) losses: AtomicU64,
    /// The index was lost while in use, and blob files are to be adopted.
    pub(super) lost: Arc<Notify>,
    /// Readers wait here for another generation.
    pub(super) turn: (Mutex<()>, Condvar),
    /// Keeps other processes out until the index is closed. `None` while the folder cannot be locked,
    /// which is while it cannot be written.
    pub(super) lock: Mutex<Option<File>>,
}

impl Shared {
    pub(super) fn enter(&self, state: State) {
        let state = Arc::new(state);
        let before = self.state.swap(state.clone());
        match (&*before, &*state) {
            (State::Healthy, State::PassThrough { why }) => {
                tracing::warn!(%why, "the cache stores nothing for now: content passes through");
            }
            (State::PassThrough { .. }, State::Healthy) => tracing::info!("the cache stores again"),
            _ => {}
        }
    }

    pub(super) fn is_passing_through(&self) -> bool {
        matches!(**self.state.load(), State::PassThrough { .. })
    }

    /// Why nothing can be written.
    pub(super) fn why(&self) -> CacheError {
        let reason = match &**self.state.load() {
            State::PassThrough { why } => why.to_string(),
            State::Healthy => "the index is in memory only".to_owned(),
        };
        CacheError::new(
            "write to the index",
            &self.layout.index.display(),
            Kind::Unwritable,
            Reason(reason),
        )
    }

    pub(super) fn count_commit(&self) {
        self.commits.fetch_add(1, Relaxed);
    }

    pub(super) fn count_writing(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.writing.fetch_add(micros, Relaxed);
    }

    pub(super) fn count_reopen(&self) {
        self.reopens.fetch_add(1, Relaxed);
    }

    pub(super) fn count_compaction(&self) {
        self.compactions.fetch_add(1, Relaxed);
    }

    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    /// Tells the readers that there is another index.
    pub(super) fn announce(&self) {
        let _turn = self.turn.0.lock();
        self.turn.1.notify_all();
    }

    /// What stands for the index once it is closed.
    pub(super) fn closed(&self) -> Option<Opened> {
        self.enter(State::PassThrough {
            why: "the cache is closed".into(),
        });
        let nowhere = Layout::new(std::path::Path::new("/nonexistent"));
        open_memory(&nowhere, &Disk::real()).ok()
    }
}
