//! The body of a response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;
use http_body::{Frame, SizeHint};

use super::{FileBody, Windows};
use crate::memory::Buffer;

/// A stream of buffers: content that is not in a file.
pub type BufferStream = Pin<Box<dyn Stream<Item = Result<Buffer, BodyError>> + Send>>;

/// The response cannot be completed. The connection is reset; the reason is for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("send the body: {0}")]
pub struct BodyError(pub Arc<str>);

/// All bodies that Larder sends.
#[must_use]
pub struct Body {
    kind: Kind,
    /// Bytes still to be sent, where known.
    left: Option<u64>,
    windows: Option<Arc<Windows>>,
    /// Dropped with the body.
    _held: Option<Box<dyn Send + Sync>>,
}

enum Kind {
    Empty,
    One(Option<Buffer>),
    File(Box<FileBody>),
    Stream(BufferStream),
}

impl Body {
    pub fn empty() -> Self {
        Self {
            kind: Kind::Empty,
            left: Some(0),
            windows: None,
            _held: None,
        }
    }

    /// Content at hand.
    pub fn buffer(buffer: Buffer) -> Self {
        let length = buffer.as_slice().len() as u64;
        Self {
            kind: Kind::One(Some(buffer)),
            left: Some(length),
            windows: None,
            _held: None,
        }
    }

    pub fn file(file: FileBody) -> Self {
        Self {
            left: file.length(),
            windows: file.windows().cloned(),
            kind: Kind::File(Box::new(file)),
            _held: None,
        }
    }

    /// Content that arrives: `length` bytes, if that is known. `windows` are the connection's, to have it
    /// reset when the stream fails.
    pub fn stream(stream: BufferStream, length: Option<u64>, windows: Option<Arc<Windows>>) -> Self {
        Self {
            kind: Kind::Stream(stream),
            left: length,
            windows,
            _held: None,
        }
    }

    /// The same body, which keeps something until it is sent, or dropped.
    pub fn holding(self, held: impl Send + Sync + 'static) -> Self {
        Self {
            _held: Some(Box::new(held)),
            ..self
        }
    }

    fn poll_kind(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Buffer, BodyError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::One(buffer) => Poll::Ready(buffer.take().map(Ok)),
            Kind::File(file) => file.poll_next(cx),
            Kind::Stream(stream) => stream.as_mut().poll_next(cx),
        }
    }
}

impl http_body::Body for Body {
    type Data = Buffer;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Buffer>, BodyError>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        self.poll_kind(cx)
            .map(|next| match next {
                Some(Ok(buffer)) => {
                    let sent = buffer.as_slice().len() as u64;
                    self.left = self.left.map(|left| left.saturating_sub(sent));
                    Some(Ok(Frame::data(buffer)))
                }
                // Ended before its length: what was promised will not come.
                None if self.left.is_some() => Some(Err(BodyError("the content ended early".into()))),
                None => None,
                Some(Err(error)) => Some(Err(error)),
            })
            .map(|frame| {
                if let (Some(Err(_)), Some(windows)) = (&frame, &self.windows) {
                    windows.request_reset();
                }
                frame
            })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
