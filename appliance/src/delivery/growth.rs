//! A file that is being written, as its readers see it: how far they may read, and how it ended.
//!
//! One writer, any number of readers. The writer never waits for a reader, and touches a lock only to take
//! the wakers of those who wait. Readers that are behind read without any lock.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use super::{BufferStream, Span};

/// Where a reader goes on when the file cannot hold the rest.
pub trait Onward: Send + Sync + fmt::Debug {
    /// The bytes of `span`, which starts at or before the end of what the file holds.
    fn open(&self, span: Span) -> BufferStream;
}

/// How a growing file ended.
#[derive(Clone, Debug)]
pub enum Ended {
    /// Every byte is there and right; the size in bytes.
    Whole(u64),
    /// No more bytes will come to the file, and those after `at` must be had from elsewhere: the disk is
    /// full, the content is not at fault.
    Detached { at: u64, onward: Arc<dyn Onward> },
    /// What was written is not to be trusted, or the rest cannot be had. Nobody may complete it.
    Failed(Arc<str>),
}

/// The writer's end, shared.
#[derive(Debug)]
pub struct Growth {
    readable: AtomicU64,
    ended: OnceLock<Ended>,
    waiting: Mutex<Vec<Waker>>,
}

/// What a reader at a position can do.
#[derive(Debug)]
pub enum Growing<'a> {
    /// Bytes up to here (exclusive, beyond the position) may be read.
    Readable(u64),
    /// There will be no more.
    Ended(&'a Ended),
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            readable: AtomicU64::new(0),
            ended: OnceLock::new(),
            waiting: Mutex::new(Vec::new()),
        }
    }
}

impl Growth {
    /// Lets readers read up to `readable` bytes. Never shrinks.
    pub fn advance(&self, readable: u64) {
        self.readable.fetch_max(readable, Ordering::Release);
        self.wake();
    }

    /// Says how it ended. Only the first ending counts.
    pub fn end(&self, ended: Ended) {
        let at = match &ended {
            Ended::Whole(size) => *size,
            Ended::Detached { at, .. } => *at,
            Ended::Failed(_) => 0,
        };
        // In this order, and read in the other: who sees the end sees all the bytes before it.
        self.readable.fetch_max(at, Ordering::Release);
        let _ = self.ended.set(ended);
        self.wake();
    }

    pub fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    /// How far readers may read now, in bytes.
    pub fn readable(&self) -> u64 {
        self.readable.load(Ordering::Acquire)
    }

    /// What a reader at `position` can do. A failure is told at once, also to those who are behind: bytes
    /// that are known to be wrong are not worth sending.
    pub fn poll(&self, cx: &mut Context<'_>, position: u64) -> Poll<Growing<'_>> {
        if let Some(now) = self.look(position) {
            return Poll::Ready(now);
        }
        {
            let mut waiting = self.waiting.lock();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
        }
        // Again: the writer may have moved between the look and the registration.
        self.look(position).map_or(Poll::Pending, Poll::Ready)
    }

    fn look(&self, position: u64) -> Option<Growing<'_>> {
        let ended = self.ended.get();
        if let Some(ended @ Ended::Failed(_)) = ended {
            return Some(Growing::Ended(ended));
        }
        let readable = self.readable();
        if readable > position {
            return Some(Growing::Readable(readable));
        }
        ended.map(Growing::Ended)
    }

    fn wake(&self) {
        // The vector keeps its capacity: registering costs no allocation in the steady state.
        let mut waiting = self.waiting.lock();
        for waker in waiting.drain(..) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    async fn next(growth: &Growth, position: u64) -> Result<u64, String> {
        poll_fn(|cx| {
            growth.poll(cx, position).map(|now| match now {
                Growing::Readable(to) => Ok(to),
                Growing::Ended(ended) => Err(format!("{ended:?}")),
            })
        })
        .await
    }

    #[tokio::test]
    async fn readers_wait_for_the_writer_and_not_the_other_way() {
        let growth = Arc::new(Growth::default());
        let reader = tokio::spawn({
            let growth = growth.clone();
            async move { next(&growth, 0).await }
        });
        tokio::task::yield_now().await;
        growth.advance(10);
        assert_eq!(reader.await.expect("joined"), Ok(10));
        assert_eq!(next(&growth, 3).await, Ok(10));
        growth.end(Ended::Whole(12));
        assert_eq!(
            next(&growth, 10).await,
            Ok(12),
            "the held-back tail comes with the verdict"
        );
        assert!(next(&growth, 12).await.is_err());
    }

    #[tokio::test]
    async fn a_failure_reaches_those_who_are_behind() {
        let growth = Growth::default();
        growth.advance(10);
        growth.end(Ended::Failed("wrong".into()));
        assert!(next(&growth, 0).await.is_err());
    }
}
