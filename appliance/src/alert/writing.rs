//! Writing the book down, on a thread of its own.
//!
//! Promises: the latest page is written, and those that came and went meanwhile are not; a disk that refuses is tried
//! again until it takes it; one that hangs holds nobody: who waits for a page does so for a bounded time, and then goes
//! on with what is in memory. Must not know: what is on a page.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::watch,
    time::{sleep, timeout},
};

use super::{
    book::{Book, Page},
    store::Store,
};
use crate::{heartbeat::Beat, source::chain};

/// After a failure.
const PAUSE: Duration = Duration::from_secs(10);
/// Of the thread.
const STACK: usize = 256 << 10;
/// At the end, for what is not written yet.
const FAREWELL: Duration = Duration::from_secs(5);

/// The thread that writes. It ends when it is told to, with the last page written if the disk lets it.
pub struct Writing {
    end: watch::Sender<bool>,
    written: watch::Receiver<u64>,
    beat: Beat,
    thread: Option<JoinHandle<()>>,
}

/// Who waits for pages.
#[derive(Clone, Debug)]
pub struct Written(watch::Receiver<u64>);

impl Written {
    /// By what tells of pages.
    pub(super) const fn of(pages: watch::Receiver<u64>) -> Self {
        Self(pages)
    }

    /// Waits until a page, or a later one, is written; not longer than `patience`.
    pub async fn within(&mut self, page: u64, patience: Duration) {
        // Later is not said: who waits goes on either way.
        let _ = timeout(patience, self.0.wait_for(|written| *written >= page)).await;
    }
}

impl Writing {
    /// Begins to write a book down.
    pub fn start(book: &Book, store: impl Store) -> io::Result<Self> {
        let (end, ends) = watch::channel(false);
        let (tell, written) = watch::channel(0);
        let (pages, beat) = (book.pages(), Beat::default());
        let own = beat.clone();
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let thread = thread::Builder::new()
            .name("alerts".to_owned())
            .stack_size(STACK)
            .spawn(move || runtime.block_on(write_all(pages, store, tell, ends, own)))?;
        Ok(Self {
            end,
            written,
            beat,
            thread: Some(thread),
        })
    }

    /// Whether it gets on with what there is to write.
    pub fn beat(&self) -> Beat {
        self.beat.clone()
    }

    pub fn written(&self) -> Written {
        Written::of(self.written.clone())
    }

    /// Ends it. What a disk that hangs has not taken by then is lost with the process.
    pub async fn end(mut self) {
        self.end.send_replace(true);
        let Some(thread) = self.thread.take() else { return };
        let joined = tokio::task::spawn_blocking(move || drop(thread.join()));
        let _ = timeout(FAREWELL, joined).await;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.end.send_replace(true);
    }
}

/// Writes pages until it is told to end.
pub(super) async fn write_all(
    mut pages: watch::Receiver<Arc<Page>>,
    mut store: impl Store,
    tell: watch::Sender<u64>,
    mut ends: watch::Receiver<bool>,
    beat: Beat,
) {
    let mut failing = false;
    loop {
        let page = pages.borrow_and_update().clone();
        if page.number > *tell.borrow() {
            let work = beat.work();
            let outcome = store.write(&page);
            // A refusal is an answer, too.
            drop(work);
            match outcome {
                Ok(()) => {
                    if std::mem::take(&mut failing) {
                        tracing::info!("alerts are written down again");
                    }
                    tell.send_replace(page.number);
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(error = %chain(&error), "alerts are not written down for now: after a restart some may be told again");
                    }
                    if *ends.borrow() {
                        return;
                    }
                    tokio::select! {
                        () = sleep(PAUSE) => {}
                        _ = ends.wait_for(|ends| *ends) => {}
                    }
                    continue;
                }
            }
        }
        if *ends.borrow() && !pages.has_changed().unwrap_or(false) {
            return;
        }
        tokio::select! {
            changed = pages.changed() => if changed.is_err() {
                return;
            },
            _ = ends.wait_for(|ends| *ends) => {}
        }
    }
}
