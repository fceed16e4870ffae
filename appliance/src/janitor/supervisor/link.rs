//! A worker that was started, its pipes, and how it is ended.
//!
//! Promises: nobody waits for a pipe without a bound; the last line of what the worker complained of is kept,
//! and no more than that. Must not know: jobs.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::JoinSet,
    time::timeout,
};

use crate::janitor::{
    protocol::{self, FrameError, FromWorker, ToWorker},
    start::{Ending, Process, Started},
    vitals::Vitals,
};

/// Orders on their way. There are at most a few: one per job and step.
const ORDERS: usize = 64;
/// How much of a worker's complaint is kept, in bytes.
const COMPLAINT: usize = 400;

/// How long the last line of a worker that has ended may take to be read.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What kind of worker it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Process,
    /// For removing files only.
    Thread,
}

pub(super) struct Link {
    pub(super) kind: Kind,
    orders: mpsc::Sender<Vec<u8>>,
    answers: mpsc::Receiver<Result<FromWorker, FrameError>>,
    last_words: Arc<Mutex<String>>,
    process: Box<dyn Process>,
    complaints: JoinSet<()>,
    _pipes: JoinSet<()>,
}

/// How a worker went.
pub(super) enum Gone {
    /// Before it was killed.
    Left(Ending),
    Killed,
    /// It is still there, although it was killed.
    Stays(Box<dyn Process>),
}

/// The worker takes no orders any more.
#[derive(Debug)]
pub(super) struct Deaf;

impl Link {
    /// To be called within a runtime.
    pub(super) fn open(started: Started, kind: Kind) -> Self {
        let (orders, to_write) = mpsc::channel(ORDERS);
        let (read, answers) = mpsc::channel(1);
        let last_words = Arc::<Mutex<String>>::default();
        let (mut pipes, mut complaints) = (JoinSet::new(), JoinSet::new());
        pipes.spawn(write(started.orders, to_write));
        pipes.spawn(listen(started.answers, read));
        if let Some(errors) = started.complaints {
            complaints.spawn(note(BufReader::with_capacity(1024, errors), last_words.clone()));
        }
        Self {
            kind,
            orders,
            answers,
            last_words,
            process: started.process,
            complaints,
            _pipes: pipes,
        }
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub(super) fn vitals(&self) -> Option<Vitals> {
        self.process.vitals()
    }

    /// Never waits: a worker that has let so many orders lie does not read any.
    pub(super) fn send(&self, message: &ToWorker) -> Result<(), Deaf> {
        let bytes = protocol::frame(message).map_err(|_| Deaf)?;
        self.orders.try_send(bytes).map_err(|_| Deaf)
    }

    /// The next answer; `None` when the worker has closed its pipe. Can be dropped.
    pub(super) async fn answer(&mut self) -> Option<Result<FromWorker, FrameError>> {
        self.answers.recv().await
    }

    /// Closes the worker's orders, by which it ends, and kills it if it has not within `grace`; at once without
    /// one.
    pub(super) async fn end(self, grace: Option<Duration>, kill_grace: Duration) -> (Gone, String) {
        let Self {
            orders,
            answers,
            last_words,
            mut process,
            mut complaints,
            _pipes: mut pipes,
            ..
        } = self;
        if grace.is_none() {
            process.kill();
        }
        drop((orders, answers));
        pipes.abort_all();
        let left = match grace {
            Some(grace) => timeout(grace, process.wait()).await.ok(),
            None => None,
        };
        let gone = match left {
            Some(ending) => Gone::Left(ending),
            None => {
                process.kill();
                match timeout(kill_grace, process.wait()).await {
                    Ok(_) => Gone::Killed,
                    Err(_) => Gone::Stays(process),
                }
            }
        };
        // Its last words are in the pipe; it has ended, so that the pipe will, too.
        if !matches!(gone, Gone::Stays(_)) {
            let _ = timeout(LAST_WORDS, complaints.join_next()).await;
        }
        let words = last_words.lock().clone();
        (gone, words)
    }
}

async fn write(mut to: Box<dyn AsyncWrite + Send + Unpin>, mut orders: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = orders.recv().await {
        // Who does not read has ended, and is seen to have.
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

async fn listen(
    mut from: Box<dyn AsyncRead + Send + Unpin>,
    answers: mpsc::Sender<Result<FromWorker, FrameError>>,
) {
    loop {
        let answer = match protocol::receive(&mut from).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let failed = answer.is_err();
        if answers.send(answer).await.is_err() || failed {
            return;
        }
    }
}

/// Keeps the last line that says something, cut to a bound.
async fn note(mut from: impl AsyncBufRead + Unpin, last_words: Arc<Mutex<String>>) {
    let mut line = Vec::new();
    loop {
        let (used, ended) = match from.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(bytes) => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let part = &bytes[..end.unwrap_or(bytes.len())];
                line.extend_from_slice(&part[..part.len().min(COMPLAINT - line.len())]);
                (end.map_or(bytes.len(), |end| end + 1), end.is_some())
            }
        };
        from.consume(used);
        if ended {
            say(&line, &last_words);
            line.clear();
        }
    }
    say(&line, &last_words);
}

fn say(line: &[u8], last_words: &Mutex<String>) {
    let line = String::from_utf8_lossy(line);
    // A panic ends with advice, which is not what was wrong.
    if !line.trim().is_empty() && !line.starts_with("note: run with") {
        tracing::warn!(line = line.trim(), "the janitor's worker complains");
        *last_words.lock() = line.trim().to_owned();
    }
}
