//! The thread that starts workers.
//!
//! Starting a process waits until the new one has read the program from the disk, which can take for ever. And
//! the worker is killed when the thread that started it ends: so it must not be one of the runtime's pool.
//!
//! Promises: whoever waits here waits no longer than told; a start that comes too late is undone. Must not know:
//! what is started.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::oneshot, time::timeout};

use crate::janitor::start::{Start, Started};

type Reply = oneshot::Sender<io::Result<Started>>;

pub(super) struct Starter {
    start: Arc<dyn Start>,
    /// The thread, while it is not stuck.
    thread: Option<mpsc::Sender<Reply>>,
    /// Counts those who are stuck, here and elsewhere.
    abandoned: Arc<AtomicU32>,
}

/// Why nothing was started.
pub(super) enum NotStarted {
    Failed(io::Error),
    TooLate,
}

impl Starter {
    pub(super) fn new(start: Arc<dyn Start>, abandoned: Arc<AtomicU32>) -> Self {
        Self {
            start,
            thread: None,
            abandoned,
        }
    }

    pub(super) async fn start(&mut self, within: Duration) -> Result<Started, NotStarted> {
        let (reply, answer) = oneshot::channel();
        let thread = match &self.thread {
            Some(thread) => thread,
            None => self
                .thread
                .insert(spawn(self.start.clone()).map_err(NotStarted::Failed)?),
        };
        if thread.send(reply).is_err() {
            self.thread = None;
            return Err(NotStarted::Failed(io::Error::other(
                "the starting thread has ended",
            )));
        }
        let mut answer = answer;
        match timeout(within, &mut answer).await {
            Ok(Ok(started)) => started.map_err(NotStarted::Failed),
            Ok(Err(_)) => {
                self.thread = None;
                Err(NotStarted::Failed(io::Error::other("starting panicked")))
            }
            Err(_) => {
                // The thread ends when its start does, and what it started is dropped and killed with it.
                self.thread = None;
                self.abandoned.fetch_add(1, Relaxed);
                let abandoned = self.abandoned.clone();
                tokio::spawn(async move {
                    drop(answer.await);
                    abandoned.fetch_sub(1, Relaxed);
                });
                Err(NotStarted::TooLate)
            }
        }
    }
}

fn spawn(start: Arc<dyn Start>) -> io::Result<mpsc::Sender<Reply>> {
    let (thread, replies) = mpsc::channel::<Reply>();
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("janitor-start".into())
        .spawn(move || {
            let _within = runtime.enter();
            while let Ok(reply) = replies.recv() {
                // Too late: dropping it ends it.
                let _ = reply.send(start.start());
            }
        })?;
    Ok(thread)
}
