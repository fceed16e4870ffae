//! Workers that do as a test says.

use std::{future::Future, io, pin::Pin, sync::Arc, task, time::Duration};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex},
    sync::Notify,
    task::JoinHandle,
};

use crate::janitor::{
    protocol::{self, FromWorker, VERSION},
    start::{Ending, Process, Started},
    vitals::{Condition, Vitals},
};

/// More than any test says at once.
const PIPE: usize = 1 << 20;

/// A worker that has its orders and its answers in hand, and ends when it has done with them or is killed.
pub(super) fn acting<F: Future<Output = ()> + Send + 'static>(
    act: impl FnOnce(DuplexStream, DuplexStream) -> F,
) -> Started {
    let (orders, to_read) = duplex(PIPE);
    let (answers, to_write) = duplex(PIPE);
    Started {
        orders: Box::new(orders),
        answers: Box::new(answers),
        complaints: None,
        process: Box::new(Actor(Some(tokio::spawn(act(to_read, to_write))))),
    }
}

/// One that says what it is told to say, whatever it hears, and stays.
pub(super) fn reciting(words: Vec<u8>) -> Started {
    acting(|orders, mut answers| async move {
        let _held = orders;
        let _ = answers.write_all(&words).await;
        std::future::pending::<()>().await;
    })
}

/// The same worker, on a box on which it never gets the CPU.
pub(super) fn starved(started: Started) -> Started {
    Started {
        process: Box::new(Starved(started.process)),
        ..started
    }
}

/// One that has greeted, and to which nothing could be written by then.
pub(super) fn deaf() -> Started {
    let refused = Arc::<Notify>::default();
    let told = refused.clone();
    let started = acting(|_, mut answers| async move {
        told.notified().await;
        let _ = answers.write_all(&hello(VERSION)).await;
        std::future::pending::<()>().await;
    });
    Started {
        orders: Box::new(Broken(refused)),
        ..started
    }
}

pub(super) fn hello(version: u32) -> Vec<u8> {
    frame(&FromWorker::Hello {
        version,
        limits: Vec::new(),
    })
}

pub(super) fn frame(answer: &FromWorker) -> Vec<u8> {
    protocol::frame(answer).expect("written")
}

struct Actor(Option<JoinHandle<()>>);

impl Process for Actor {
    fn id(&self) -> Option<u32> {
        None
    }

    fn kill(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        Box::pin(async {
            let ending = match &mut self.0 {
                Some(task) => task.await.map_or(Ending::Signal(9), |()| Ending::Code(0)),
                None => Ending::Other("it has ended before".into()),
            };
            self.0 = None;
            ending
        })
    }
}

struct Starved(Box<dyn Process>);

impl Process for Starved {
    fn id(&self) -> Option<u32> {
        None
    }

    fn vitals(&self) -> Option<Vitals> {
        Some(Vitals {
            ran: Duration::from_secs(1),
            condition: Condition::Runnable,
        })
    }

    fn kill(&mut self) {
        self.0.kill();
    }

    fn wait(&mut self) -> Pin<Box<dyn Future<Output = Ending> + Send + '_>> {
        self.0.wait()
    }
}

/// A pipe that nobody reads any more. Tells when something was written to it.
struct Broken(Arc<Notify>);

impl AsyncWrite for Broken {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        _: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        self.0.notify_one();
        task::Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        task::Poll::Ready(Ok(()))
    }
}
