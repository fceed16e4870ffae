//! A stretch of a file as a response body, whole or still growing.

use std::{
    fs::File,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::{BodyError, Ended, Growing, Growth, Windows, body::BufferStream, copy};
use crate::{
    kernel::mapping::Mapping,
    memory::{Buffer, Pool},
};

/// How much of a file is handed to the socket at a time, in bytes. Also how far ahead cold pages are read.
const WINDOW: u64 = 2 << 20;

/// How long a reader waits for room in the memory budget before its client is reset.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a connection takes files.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The kernel sends them: plain HTTP/1.1.
    Sendfile(Arc<Windows>),
    /// They are read and framed: TLS, HTTP/2.
    Copy,
}

/// How the connection of a request takes bytes.
#[derive(Clone, Debug)]
pub struct Line {
    pub delivery: Delivery,
    /// The connection's, where it has them: to reset it when an answer cannot be completed.
    pub windows: Option<Arc<Windows>>,
}

/// The bytes `start..end` of a content. `end` is open while the content's size is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: u64,
    pub end: Option<u64>,
}

impl Span {
    /// In bytes, where known.
    pub fn length(self) -> Option<u64> {
        self.end.map(|end| end.saturating_sub(self.start))
    }
}

/// A stretch of a file on its way to a client.
pub struct FileBody {
    file: Arc<File>,
    position: u64,
    end: Option<u64>,
    /// Absent when the file is whole.
    growth: Option<Arc<Growth>>,
    way: Way,
    step: Step,
    /// Cold pages up to here were fetched already.
    warm: u64,
}

enum Way {
    /// Slices of `window`, whose first byte is `base` in the file.
    Window {
        window: Bytes,
        base: u64,
        windows: Arc<Windows>,
    },
    Copy(Pool),
}

enum Step {
    Next,
    Warming(JoinHandle<io::Result<()>>),
    Reading(BoxFuture<'static, io::Result<Buffer>>),
    Elsewhere(BufferStream),
}

impl FileBody {
    /// Sends `span` of `file`; with a `growth`, as far as and as soon as it is there. `pool` covers what has
    /// to be read into memory.
    pub fn new(
        file: Arc<File>,
        span: Span,
        growth: Option<Arc<Growth>>,
        delivery: &Delivery,
        pool: &Pool,
    ) -> io::Result<Self> {
        let way = match (delivery, span.length()) {
            (Delivery::Sendfile(windows), Some(length)) if length > 0 => Way::Window {
                window: Bytes::from_owner(windows.open(Mapping::new(file.clone(), span.start, length)?)),
                base: span.start,
                windows: windows.clone(),
            },
            _ => Way::Copy(pool.clone()),
        };
        Ok(Self {
            file,
            position: span.start,
            end: span.end,
            growth,
            way,
            step: Step::Next,
            warm: 0,
        })
    }

    /// Bytes still to come, where known.
    pub(super) fn length(&self) -> Option<u64> {
        Span {
            start: self.position,
            end: self.end,
        }
        .length()
    }

    pub(super) fn windows(&self) -> Option<&Arc<Windows>> {
        match &self.way {
            Way::Window { windows, .. } => Some(windows),
            Way::Copy(_) => None,
        }
    }

    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Buffer, BodyError>>> {
        loop {
            match &mut self.step {
                Step::Elsewhere(stream) => return stream.as_mut().poll_next(cx),
                Step::Warming(warming) => {
                    let warmed = ready!(Pin::new(warming).poll(cx))
                        .map_err(io::Error::other)
                        .flatten();
                    self.step = Step::Next;
                    if let Err(error) = warmed {
                        return Poll::Ready(Some(Err(failed(&error))));
                    }
                }
                Step::Reading(reading) => {
                    let read = ready!(reading.as_mut().poll(cx));
                    self.step = Step::Next;
                    return Poll::Ready(Some(match read {
                        Ok(buffer) => {
                            self.position += buffer.as_slice().len() as u64;
                            Ok(buffer)
                        }
                        Err(error) => Err(failed(&error)),
                    }));
                }
                Step::Next => {
                    let until = match ready!(self.poll_readable(cx)) {
                        Ok(Some(until)) => until,
                        Ok(None) => return Poll::Ready(None),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    };
                    if let Some(buffer) = self.take(until) {
                        return Poll::Ready(Some(Ok(buffer)));
                    }
                }
            }
        }
    }

    /// How far can be sent now. `None` at the end. Moves on to `Elsewhere` when the file ends too soon.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<u64>, BodyError>> {
        if self.end == Some(self.position) {
            return Poll::Ready(Ok(None));
        }
        let limit = self.end.unwrap_or(u64::MAX).min(self.position + WINDOW);
        let Some(growth) = &self.growth else {
            return Poll::Ready(Ok(Some(limit)));
        };
        Poll::Ready(match ready!(growth.poll(cx, self.position)) {
            Growing::Readable(until) => Ok(Some(until.min(limit))),
            Growing::Ended(Ended::Whole(_)) => Ok(None),
            Growing::Ended(Ended::Failed(why)) => Err(BodyError(why.clone())),
            Growing::Ended(Ended::Detached { onward, .. }) => {
                let rest = Span {
                    start: self.position,
                    end: self.end,
                };
                self.step = Step::Elsewhere(onward.open(rest));
                // Nothing to take from the file any more: the loop goes on with the stream.
                Ok(Some(self.position))
            }
        })
    }

    /// Takes the bytes up to `until`, or starts the step that gets them.
    fn take(&mut self, until: u64) -> Option<Buffer> {
        let length = until - self.position;
        if length == 0 {
            return None;
        }
        match &self.way {
            Way::Window { window, base, .. } => {
                if self.position >= self.warm && !copy::is_resident(&self.file, self.position, length) {
                    let (file, from) = (self.file.clone(), self.position);
                    self.step = Step::Warming(tokio::task::spawn_blocking(move || {
                        copy::warm(&file, from, length)
                    }));
                    self.warm = until;
                    return None;
                }
                // In range: the window was mapped, so its length fits the address space.
                let slice = window.slice((self.position - base) as usize..(until - base) as usize);
                self.position = until;
                Some(Buffer::borrowed(slice))
            }
            Way::Copy(pool) => {
                let (file, pool, from) = (self.file.clone(), pool.clone(), self.position);
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(copy::CHUNK);
                self.step = Step::Reading(Box::pin(async move {
                    let permit = pool.acquire(length, PATIENCE).await.map_err(io::Error::other)?;
                    copy::read(&file, from, length, permit).await
                }));
                None
            }
        }
    }
}

fn failed(error: &io::Error) -> BodyError {
    BodyError(format!("read the blob file: {error}").into())
}
