//! The bytes of a blob, arriving.
//!
//! Promises: a stream that does not move ends in [`Fault::Silent`], one that is cut before its end in
//! [`Fault::Unavailable`], and never looks complete; one that moves is never cut, however long it takes. The
//! time whoever takes the bytes needs is not held against the source. No allocation per chunk. Must not know:
//! what the bytes hash to.
//!
//! [`Fault::Silent`]: crate::source::Fault::Silent
//! [`Fault::Unavailable`]: crate::source::Fault::Unavailable

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    failure::{Failure, Kind},
    operation::Operation,
    record::Pass,
    transport::{Line, kind_of},
};
use crate::source::{SourceError, SourceName};

/// What counts as moving: so many bytes within the progress deadline. One byte a second, which keeps a
/// connection alive for ever and never ends, does not.
const PROGRESS: u64 = 1 << 10;

/// The rest of a response.
pub(super) struct Transfer {
    incoming: Incoming,
    line: Line,
    pass: Pass,
    subject: Arc<str>,
    name: SourceName,
    /// Bytes to come, if the source said so.
    remaining: Option<u64>,
    watch: Watch,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    Ended,
}

impl Transfer {
    pub(super) fn new(
        incoming: Incoming,
        remaining: Option<u64>,
        line: Line,
        pass: Pass,
        subject: Arc<str>,
        name: SourceName,
        progress: Duration,
    ) -> Self {
        Self {
            incoming,
            line,
            pass,
            subject,
            name,
            remaining,
            watch: Watch::new(progress),
            state: State::Flowing,
        }
    }

    fn fail(&mut self, failure: Failure) -> SourceError {
        self.state = State::Ended;
        self.pass.stalled(&failure, self.watch.patience);
        self.line.condemn();
        failure.tell(Operation::Blob, &self.subject, &self.name)
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        self.watch.resume();
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                ready!(self.watch.poll_stall(cx));
                return Poll::Ready(Some(Err(Failure::because(
                    Kind::Silent,
                    format!("less than {PROGRESS} bytes came in {:?}", self.watch.patience),
                ))));
            };
            let data = match frame {
                None => return Poll::Ready(self.end()),
                Some(Err(error)) => {
                    let kind = match kind_of(&error) {
                        Kind::Unreachable => Kind::Broken,
                        kind => kind,
                    };
                    return Poll::Ready(Some(Err(Failure::new(kind, error))));
                }
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            if data.is_empty() {
                continue;
            }
            let length = data.len() as u64;
            if let Some(remaining) = &mut self.remaining {
                let Some(rest) = remaining.checked_sub(length) else {
                    return Poll::Ready(Some(Err(Failure::untrustworthy("more came than was announced"))));
                };
                *remaining = rest;
            }
            self.pass.received(data.len());
            self.watch.moved(length);
            return Poll::Ready(Some(Ok(data)));
        }
    }

    fn end(&mut self) -> Option<Result<Bytes, Failure>> {
        match self.remaining {
            Some(rest) if rest > 0 => Some(Err(Failure::because(
                Kind::Broken,
                format!("it was cut {rest} bytes before its end"),
            ))),
            _ => None,
        }
    }
}

impl Stream for Transfer {
    type Item = Result<Bytes, SourceError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.state == State::Ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.poll_chunk(cx)) {
            Some(Ok(data)) => Some(Ok(data)),
            Some(Err(failure)) => Some(Err(self.fail(failure))),
            None => {
                self.state = State::Ended;
                self.pass.answered();
                None
            }
        })
    }
}

/// Watches that something moves, while it is waited for.
struct Watch {
    patience: Duration,
    /// Allocated once; reset for each wait.
    alarm: Pin<Box<Sleep>>,
    /// Bytes since the alarm was set. `None`: it is not set.
    moved: Option<u64>,
    /// When bytes were handed on while the alarm was set: the pause until the next poll does not count.
    handed_on: Option<Instant>,
}

impl Watch {
    fn new(patience: Duration) -> Self {
        Self {
            patience,
            alarm: Box::pin(sleep_until(Instant::now() + patience)),
            moved: None,
            handed_on: None,
        }
    }

    fn resume(&mut self) {
        if let Some(handed_on) = self.handed_on.take() {
            let later = self.alarm.deadline() + handed_on.elapsed();
            self.alarm.as_mut().reset(later);
        }
    }

    /// Ready when nothing, or too little, has come for too long.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.moved.is_none() {
            self.moved = Some(0);
            self.alarm.as_mut().reset(Instant::now() + self.patience);
        }
        self.alarm.as_mut().poll(cx)
    }

    fn moved(&mut self, bytes: u64) {
        let Some(moved) = &mut self.moved else {
            return;
        };
        *moved += bytes;
        if *moved >= PROGRESS {
            self.moved = None;
        } else {
            self.handed_on = Some(Instant::now());
        }
    }
}

#[cfg(test)]
#[path = "tests/body.rs"]
mod tests;
