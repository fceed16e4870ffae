//! The head of an answer.

use std::io::{Error, ErrorKind};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// More than any server here sends; a bound against a server that never ends its head.
const MOST: usize = 64 * 1024;

/// Header lines in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first line of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// Every line of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The value, or the empty text: for comparisons whose failure shows what there was.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Content-Length, if there is one.
    pub fn length(&self) -> Option<u64> {
        self.get("content-length").and_then(|v| v.parse().ok())
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn parse(lines: &str) -> Self {
        Self(
            lines
                .split("\r\n")
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }
}

/// Reads a head; gives status, headers and what of the body came with it.
pub(super) async fn read(stream: &mut TcpStream) -> std::io::Result<(u16, Headers, Bytes)> {
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.advance(end + 4);
            let (status_line, lines) = head.split_once("\r\n").unwrap_or((&head, ""));
            let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok());
            let status = status.ok_or_else(|| Error::new(ErrorKind::InvalidData, head.clone()))?;
            return Ok((status, Headers::parse(lines), buffer.freeze()));
        }
        if buffer.len() > MOST {
            return Err(Error::new(ErrorKind::InvalidData, "the head does not end"));
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(Error::new(
                ErrorKind::UnexpectedEof,
                "closed before the end of the head",
            ));
        }
    }
}
