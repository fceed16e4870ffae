//! The writer's index is opened anew, or closed.
//!
//! Promises: readers find either the old or the new one; what cannot be opened for writing is read over memory, and
//! opening is tried again less and less often. Must not know: what is written.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use crate::cache::{
    error::{CacheError, Kind},
    lock,
};

use super::{
    State,
    failure::Failure,
    open::{Mode, OpenError, Opened, Trust, open_memory, open_writable},
    queue::Damaged,
    writer::{OPERATION, Writer},
};

/// The first and the longest pause between tries to open an index that refused.
pub(super) const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

impl Writer {
    /// Opens the index anew after a failure. Whether it can be written now.
    pub(super) fn reopen_after(&mut self, failure: &Failure) -> bool {
        let trust = match failure.kind() {
            Kind::Corrupt => Trust::Verify,
            _ => Trust::AsIs,
        };
        tracing::warn!(?failure, "a transaction of the index failed: it is opened anew");
        self.reopen(trust)
    }

    pub(super) fn reopen(&mut self, trust: Trust) -> bool {
        self.abandon("it has to be opened anew");
        let old = self.shared.current.load_full();
        if let Mode::Disk(backing) = &old.mode {
            backing.fence();
        }
        self.shared.count_reopen();
        let locked = self.lock();
        match locked.and_then(|()| open_writable(&self.shared.layout, &self.shared.disk, trust)) {
            Ok(opened) => {
                let fresh = opened.fresh;
                if fresh {
                    // Before anybody can read it: an empty list must not be taken for the old one.
                    self.shared.losses.fetch_add(1, SeqCst);
                }
                self.retry_pause = RETRY.0;
                self.replace(opened);
                self.shared.enter(State::Healthy);
                if fresh {
                    self.shared.lost.notify_one();
                }
                true
            }
            Err(error) => {
                let error = match error {
                    OpenError::Refused(error) => error,
                    OpenError::Newer(newer) => CacheError::new(
                        OPERATION,
                        &self.shared.layout.index.display(),
                        Kind::Unwritable,
                        newer,
                    ),
                };
                self.shared.count_error();
                self.retry_at = Instant::now() + self.retry_pause;
                self.retry_pause = (self.retry_pause * 2).min(RETRY.1);
                self.shared.enter(State::pass_through(&error));
                if matches!(old.mode, Mode::Disk(_))
                    && let Ok(opened) = open_memory(&self.shared.layout, &self.shared.disk)
                {
                    self.replace(opened);
                }
                false
            }
        }
    }

    /// Locks the folder if that was not possible at the start.
    fn lock(&self) -> Result<(), OpenError> {
        let mut lock = self.shared.lock.lock();
        if lock.is_none() {
            *lock = Some(lock::take(&self.shared.layout, &self.shared.disk).map_err(OpenError::Refused)?);
        }
        Ok(())
    }

    fn replace(&self, opened: Opened) {
        let old = self.shared.current.swap(Arc::new(opened));
        if let Mode::Disk(backing) = &old.mode {
            backing.retire();
        }
        self.shared.announce();
    }

    pub(super) fn stale(&mut self, generation: u64, damaged: Damaged) {
        let current = self.shared.current.load();
        if current.generation != generation || matches!(current.mode, Mode::Memory) {
            return;
        }
        drop(current);
        self.reopen(match damaged {
            Damaged::Content => Trust::Verify,
            Damaged::Handle => Trust::AsIs,
        });
    }

    /// Closes the index cleanly: what opens it next need not repair it.
    pub(super) fn close(&mut self) {
        self.end_compaction();
        self.flush();
        let closed = self.shared.closed();
        let Some(closed) = closed else { return };
        let mut old = self.shared.current.swap(Arc::new(closed));
        self.shared.announce();
        // Readers hold a database for microseconds. It closes when the last of them lets go.
        for _ in 0..100 {
            match Arc::try_unwrap(old) {
                Ok(opened) => {
                    if let Err(error) = opened.database.close() {
                        tracing::warn!(cause = %error, "the index was not closed cleanly");
                    }
                    break;
                }
                Err(shared) => old = shared,
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.shared.lock.lock().take();
    }
}
