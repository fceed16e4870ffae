//! A response body that tells what became of it: how many bytes left, and whether that was all.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body as _, Frame, SizeHint};

use crate::{
    delivery::{Body, BodyError},
    memory::Buffer,
};

/// What became of a body.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Handed to the connection, in bytes.
    pub bytes: u64,
    pub ending: Ending,
}

/// How a body ended.
#[derive(Clone, Debug)]
pub enum Ending {
    Complete,
    /// The client went away.
    Abandoned,
    /// It could not be completed.
    Failed(BodyError),
}

/// A body and what is to be told when it is done.
pub struct Tracked {
    body: Body,
    bytes: u64,
    failure: Option<BodyError>,
    complete: Completeness,
    tell: Option<Box<dyn FnOnce(Sent) + Send>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Completeness {
    Going,
    Done,
}

impl Tracked {
    /// `tell` is called once, when the body is dropped.
    pub fn new(body: Body, tell: impl FnOnce(Sent) + Send + 'static) -> Self {
        let complete = if body.is_end_stream() {
            Completeness::Done
        } else {
            Completeness::Going
        };
        Self {
            body,
            bytes: 0,
            failure: None,
            complete,
            tell: Some(Box::new(tell)),
        }
    }
}

impl http_body::Body for Tracked {
    type Data = Buffer;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Buffer>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.as_slice().len() as u64);
                if self.body.is_end_stream() {
                    self.complete = Completeness::Done;
                }
            }
            Poll::Ready(None) => self.complete = Completeness::Done,
            Poll::Ready(Some(Err(error))) => self.failure = Some(error.clone()),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        let ending = match (self.failure.take(), self.complete) {
            (Some(error), _) => Ending::Failed(error),
            (None, Completeness::Done) => Ending::Complete,
            (None, Completeness::Going) => Ending::Abandoned,
        };
        if let Some(tell) = self.tell.take() {
            tell(Sent {
                bytes: self.bytes,
                ending,
            });
        }
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tracked({} bytes)", self.bytes)
    }
}
