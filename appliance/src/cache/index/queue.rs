//! The way to the writer: bounded, with a reply each.
//!
//! Promises: who waits for a reply can stop waiting at any time, the command is carried out all the same;
//! what needs no reply never waits. Must not know: what commands do.

use std::sync::{
    Arc,
    mpsc::{Receiver, Sender, channel},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::{
    cache::error::{CacheError, Kind},
    heartbeat::{Beat, Work},
};

use super::{
    command::{Command, Done},
    compaction::{Compacted, Reply as Compacting},
};

/// The most commands that wait for the writer. Beyond it, callers wait for room.
const MOST: usize = 1024;

/// What the writer receives.
pub(crate) enum Message {
    Change {
        command: Command,
        reply: Option<Reply>,
        // Room in the queue, returned when the message is gone.
        _room: Option<OwnedSemaphorePermit>,
        /// Until it is answered.
        work: Work,
    },
    /// A reader met an error in the index of this generation.
    Stale { generation: u64, damaged: Damaged },
    /// Put a smaller file in the index's place.
    Compact { queue: Queue, reply: Compacting },
    /// The copy for that is there, or has failed.
    Copied,
    /// Write everything, close the index and end.
    Close { reply: oneshot::Sender<()> },
}

/// What a reader's error says about the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damaged {
    /// The content is wrong.
    Content,
    /// The handle does not serve any more.
    Handle,
}

pub(crate) type Reply = oneshot::Sender<Result<Done, CacheError>>;
pub(crate) type Outcome = oneshot::Receiver<Result<Done, CacheError>>;

/// The sending end. Clones send to the same writer.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: Sender<Message>,
    room: Arc<Semaphore>,
    beat: Beat,
}

impl Queue {
    pub(crate) fn new() -> (Self, Receiver<Message>) {
        let (sender, receiver) = channel();
        let queue = Self {
            sender,
            room: Arc::new(Semaphore::new(MOST)),
            beat: Beat::default(),
        };
        (queue, receiver)
    }

    /// What the writer does with what is sent.
    pub(super) fn beat(&self) -> Beat {
        self.beat.clone()
    }

    /// Sends a command and waits until it is durable, or has failed.
    pub(crate) async fn ask(&self, command: Command) -> Result<Done, CacheError> {
        let room = self.room.clone().acquire_owned().await.map_err(|_| gone())?;
        let (reply, answer) = oneshot::channel();
        self.send(Message::Change {
            command,
            reply: Some(reply),
            _room: Some(room),
            work: self.beat.work(),
        });
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Sends commands and waits for all of them, on a thread that may block.
    pub(crate) fn ask_all_blocking(&self, commands: Vec<Command>) -> Vec<Result<Done, CacheError>> {
        let answers: Vec<_> = commands
            .into_iter()
            .map(|command| {
                let (reply, answer) = oneshot::channel();
                self.send(Message::Change {
                    command,
                    reply: Some(reply),
                    _room: None,
                    work: self.beat.work(),
                });
                answer
            })
            .collect();
        answers
            .into_iter()
            .map(|answer| answer.blocking_recv().unwrap_or_else(|_| Err(gone())))
            .collect()
    }

    /// Sends a command and hands out the wait for its outcome, for whoever may not need it.
    ///
    /// For what a fill says about itself, of which there are only as many as there are fills.
    pub(crate) fn promise(&self, command: Command) -> Outcome {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Change {
            command,
            reply: Some(reply),
            _room: None,
            work: self.beat.work(),
        });
        answer
    }

    /// Sends a command whose outcome nobody waits for.
    ///
    /// For what a fill says about itself, of which there are only as many as there are fills.
    pub(crate) fn tell(&self, command: Command) {
        self.send(Message::Change {
            command,
            reply: None,
            _room: None,
            work: self.beat.work(),
        });
    }

    /// Sends a command if there is room. For what will be said again.
    pub(crate) fn suggest(&self, command: Command) {
        if let Ok(room) = self.room.clone().try_acquire_owned() {
            self.send(Message::Change {
                command,
                reply: None,
                _room: Some(room),
                work: self.beat.work(),
            });
        }
    }

    pub(crate) fn stale(&self, generation: u64, damaged: Damaged) {
        self.send(Message::Stale { generation, damaged });
    }

    /// Has the index compacted while it is in use.
    pub(crate) async fn compact(&self) -> Result<Compacted, CacheError> {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Compact {
            queue: self.clone(),
            reply,
        });
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    pub(crate) async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        self.send(Message::Close { reply });
        // An error means that the writer had ended before: closed as well.
        let _ = answer.await;
    }

    pub(super) fn send(&self, message: Message) {
        // When the writer has ended, the message and with it the reply are dropped: `ask` sees that.
        let _ = self.sender.send(message);
    }
}

fn gone() -> CacheError {
    CacheError::refused("write to the index", &"", Kind::Unwritable, "the cache is closed")
}
