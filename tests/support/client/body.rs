//! The body of an answer, read at the test's pace.

use bytes::{Buf, Bytes, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::Headers;

/// How a body's end is told.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length(u64),
    Chunked { left: u64 },
    UntilClose,
    Done,
}

/// Why a body was not whole.
#[derive(Debug)]
pub enum BodyError {
    /// The connection ended (reset or closed) after this many bytes of the body.
    Cut { after: u64, cause: std::io::Error },
    /// Nothing came at all: refused, reset, or closed before the head.
    NoAnswer(std::io::Error),
}

impl From<std::io::Error> for BodyError {
    fn from(cause: std::io::Error) -> Self {
        Self::NoAnswer(cause)
    }
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cut { after, cause } => write!(f, "cut after {after} bytes: {cause}"),
            Self::NoAnswer(cause) => write!(f, "no answer: {cause}"),
        }
    }
}

impl std::error::Error for BodyError {}

#[derive(Debug)]
pub struct Body {
    stream: TcpStream,
    buffer: BytesMut,
    framing: Framing,
    read: u64,
}

impl Body {
    pub(super) fn new(stream: TcpStream, rest: Bytes, head: bool, status: u16, headers: &Headers) -> Self {
        let chunked = headers
            .get("transfer-encoding")
            .is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
        let framing = match headers.length() {
            _ if head || status == 204 || status == 304 => Framing::Done,
            _ if chunked => Framing::Chunked { left: 0 },
            Some(0) => Framing::Done,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        Self {
            stream,
            buffer: rest.into(),
            framing,
            read: 0,
        }
    }

    /// How many bytes of the body were given out so far.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// The next bytes, at most `most`; `None` at the proper end.
    pub async fn next(&mut self, most: usize) -> Result<Option<Bytes>, BodyError> {
        loop {
            let left = match self.framing {
                Framing::Done => return Ok(None),
                Framing::Length(left) => left,
                Framing::UntilClose => u64::MAX,
                Framing::Chunked { left: 0 } => {
                    self.next_chunk().await?;
                    continue;
                }
                Framing::Chunked { left } => left,
            };
            if self.buffer.is_empty() && !self.fill(most.max(1)).await? {
                if matches!(self.framing, Framing::UntilClose) {
                    self.framing = Framing::Done;
                    return Ok(None);
                }
                return Err(self.cut(std::io::ErrorKind::UnexpectedEof.into()));
            }
            let take = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(self.buffer.len())
                .min(most);
            self.framing = match self.framing {
                Framing::Length(left) if left == take as u64 => Framing::Done,
                Framing::Length(left) => Framing::Length(left - take as u64),
                Framing::Chunked { left } => Framing::Chunked {
                    left: left - take as u64,
                },
                other => other,
            };
            self.read += take as u64;
            return Ok(Some(self.buffer.split_to(take).freeze()));
        }
    }

    /// Exactly the next `count` bytes.
    pub async fn take(&mut self, count: u64) -> Result<Bytes, BodyError> {
        let mut taken = BytesMut::new();
        while (taken.len() as u64) < count {
            let missing = usize::try_from(count).expect("a test's body fits in memory") - taken.len();
            match self.next(missing.min(256 * 1024)).await? {
                Some(bytes) => taken.extend_from_slice(&bytes),
                None => return Err(self.cut(std::io::ErrorKind::UnexpectedEof.into())),
            }
        }
        Ok(taken.freeze())
    }

    /// The rest, to its proper end.
    pub async fn read_all(&mut self) -> Result<Bytes, BodyError> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.next(256 * 1024).await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// The rest, hashed and not kept; gives its digest, by the algorithm that `like` names.
    pub async fn hash_all(&mut self, like: &str) -> Result<String, BodyError> {
        let mut hasher = crate::digest::Hasher::like(like);
        while let Some(bytes) = self.next(256 * 1024).await? {
            hasher.update(&bytes);
        }
        Ok(hasher.finish())
    }

    /// Leaves with a reset.
    pub fn abort(self) {
        // Without lingering, close sends a reset; if that can't be set the close is an abort all the same.
        let _ = self.stream.set_zero_linger();
    }

    async fn next_chunk(&mut self) -> Result<(), BodyError> {
        loop {
            // A chunk's data is followed by an empty line, which is skipped here.
            while self.buffer.starts_with(b"\r\n") {
                self.buffer.advance(2);
            }
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                let size = line
                    .split(';')
                    .next()
                    .and_then(|s| u64::from_str_radix(s.trim(), 16).ok());
                let Some(size) = size else {
                    return Err(self.cut(std::io::Error::other(format!("not a chunk: {line}"))));
                };
                self.buffer.advance(end + 2);
                self.framing = if size == 0 {
                    Framing::Done
                } else {
                    Framing::Chunked { left: size }
                };
                return Ok(());
            }
            if !self.fill(4096).await? {
                return Err(self.cut(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Reads from the socket; false at its end.
    async fn fill(&mut self, most: usize) -> Result<bool, BodyError> {
        let mut limited = (&mut self.stream).take(most as u64);
        match limited.read_buf(&mut self.buffer).await {
            Ok(n) => Ok(n > 0),
            Err(cause) => Err(self.cut(cause)),
        }
    }

    fn cut(&self, cause: std::io::Error) -> BodyError {
        BodyError::Cut {
            after: self.read,
            cause,
        }
    }
}
