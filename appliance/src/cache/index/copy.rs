//! A copy of the index that is as small as it can be, made on a thread of its own.
//!
//! The copy shows the index as it was when the thread was started, whatever is written to it meanwhile.
//!
//! Promises: takes turns with others at the disk and never leaves more than a few MiB for it to write at once; ends
//! soon when it is told to; a copy that was not finished leaves no file. Must not know: what is done with the copy,
//! what changes meanwhile.

use std::{
    convert::Infallible,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase};

use crate::cache::disk::Disk;

use super::{
    backend::{Backend, Backing},
    failure::Failure,
    open::{Opened, Trust, builder},
    tables,
};

/// So many bytes of rows are copied at once; then the disk is left to others for as long as that took.
const STRIDE: usize = 256 << 10;
/// The longest such rest.
const REST: Duration = Duration::from_millis(100);
/// So many bytes of rows are written between two syncs, so that those who sync their own do not wait for all of it.
const UNSYNCED: usize = 4 << 20;
/// How long a copy that was told to stop is waited for. A disk that hangs can keep it for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was made.
pub(super) struct Copied {
    pub(super) database: Database,
    pub(super) backing: Arc<Backing>,
}

/// A copy that is being made.
pub(super) struct Copying {
    stop: Arc<AtomicBool>,
    ended: Receiver<Infallible>,
    thread: JoinHandle<Result<Copied, Failure>>,
}

impl Copying {
    /// Starts to copy `source` as it is now into a new file. `done` is called when the copy is there, or has failed.
    pub(super) fn start(
        source: Arc<Opened>,
        path: PathBuf,
        disk: Disk,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<Self, Failure> {
        let snapshot = Failure::catch(|| Ok(source.database.begin_read()?))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (ends, ended): (Sender<Infallible>, _) = channel();
        let work = Work {
            path,
            disk,
            stop: stop.clone(),
            unsynced: 0,
            stride: 0,
            since: Instant::now(),
        };
        let thread = thread::Builder::new()
            .name("index-copy".to_owned())
            .spawn(move || {
                let copied = work.run(&snapshot);
                // What it was read from must not outlive the end of this.
                drop((snapshot, source));
                drop(ends);
                done();
                copied
            })?;
        Ok(Self { stop, ended, thread })
    }

    /// Whether it is there, or has failed.
    pub(super) fn is_finished(&self) -> bool {
        self.ended.try_recv() == Err(TryRecvError::Disconnected)
    }

    /// The copy, or why there is none. Blocks until then.
    pub(super) fn finish(self) -> Result<Copied, Failure> {
        self.thread.join().unwrap_or(Err(Failure::Panicked))
    }

    /// Has it end soon, whatever it is doing.
    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
        self.thread.thread().unpark();
    }

    /// Waits for its end, but not for a disk that hangs. Whether it has come.
    pub(super) fn wait(&self) -> bool {
        self.ended.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout)
    }

    /// Nobody wants the copy. Blocks until it has ended.
    pub(super) fn discard(self) {
        if let Ok(copied) = self.finish() {
            copied.discard();
        }
    }
}

impl Copied {
    /// Nobody wants it.
    pub(super) fn discard(self) {
        self.backing.fence();
        drop(self.database);
        self.backing.unlink();
    }
}

/// The thread's state.
struct Work {
    path: PathBuf,
    disk: Disk,
    stop: Arc<AtomicBool>,
    /// Bytes of rows since the last sync, and since the last rest.
    unsynced: usize,
    stride: usize,
    /// When the last rest ended.
    since: Instant,
}

impl Work {
    fn run(mut self, snapshot: &ReadTransaction) -> Result<Copied, Failure> {
        self.disk.unlink(&self.path)?;
        let file = self.disk.create(&self.path)?;
        let backing = Backing::new(file, self.path.clone(), self.disk.clone())?;
        let made = Failure::catch(|| self.copy(&backing, snapshot));
        match made {
            Ok(database) => Ok(Copied { database, backing }),
            Err(failure) => {
                backing.fence();
                backing.unlink();
                Err(failure)
            }
        }
    }

    fn copy(&mut self, backing: &Arc<Backing>, snapshot: &ReadTransaction) -> Result<Database, Failure> {
        let mut database = builder(Trust::AsIs).create_with_backend(Backend(backing.clone()))?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        tables::copy(snapshot, &transaction, |bytes| self.copied(bytes, backing))?;
        transaction.commit()?;
        // The rows lie side by side by now. What is left to do is to cut off the room that the file grew ahead.
        database.compact()?;
        Ok(database)
    }

    fn copied(&mut self, bytes: usize, backing: &Backing) -> Result<(), Failure> {
        self.unsynced += bytes;
        self.stride += bytes;
        if self.stride < STRIDE {
            return Ok(());
        }
        self.stride = 0;
        if self.unsynced >= UNSYNCED {
            self.unsynced = 0;
            backing.sync()?;
        }
        thread::park_timeout(self.since.elapsed().min(REST));
        self.since = Instant::now();
        if self.stop.load(Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted).into());
        }
        Ok(())
    }
}
