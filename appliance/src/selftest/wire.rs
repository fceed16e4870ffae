//! Requests as they come over a connection, and the heads of answers: as little of HTTP/1.1 as the other side of a replay
//! needs, so that an answer can be cut, held and falsified at any byte.
//!
//! Promises: what is read of a request is bounded. Must not know: what is asked for.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A head and a body of our own mirror are smaller.
const MOST: usize = 256 << 10;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// The first byte that it wants, where it says so.
    pub(super) from: Option<u64>,
    pub(super) body: Vec<u8>,
}

/// A connection on which requests come.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    read: Vec<u8>,
}

/// A door on a free port of this machine.
pub(super) async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Connection {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// The next request; nothing when the other side has gone.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some((request, length)) = parse(&self.read)? {
                self.read.drain(..length);
                return Ok(Some(request));
            }
            if self.read.len() > MOST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// An answer without a body, or the head of one that has it.
    pub(super) async fn head(
        &mut self,
        status: &str,
        length: u64,
        headers: &[(&str, String)],
    ) -> io::Result<()> {
        let mut text = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        self.stream.write_all(text.as_bytes()).await
    }
}

/// A request and its length, once it is there.
fn parse(bytes: &[u8]) -> io::Result<Option<(Request, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid())?;
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(invalid());
    };
    let (mut from, mut length) = (None, 0);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(invalid)?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "range" => {
                let range = value.strip_prefix("bytes=");
                from = range.and_then(|range| range.split('-').next()?.parse().ok());
            }
            "content-length" => length = value.parse().map_err(|_| invalid())?,
            _ => {}
        }
    }
    let body = end + 4;
    if length > MOST {
        return Err(invalid());
    }
    let Some(content) = bytes.get(body..body + length) else {
        return Ok(None);
    };
    let request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        from,
        body: content.to_vec(),
    };
    Ok(Some((request, body + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_when_it_is_all_there() {
        let text = b"POST /hook HTTP/1.1\r\nHost: x\r\nRange: bytes=70-\r\nContent-Length: 3\r\n\r\nabcGET ";
        for cut in 0..text.len() - 4 {
            assert_eq!(parse(&text[..cut]).expect("so far"), None, "{cut}");
        }
        let (request, length) = parse(text).expect("fine").expect("there");
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/hook")
        );
        assert_eq!((request.from, request.body.as_slice()), (Some(70), &b"abc"[..]));
        assert_eq!(&text[length..], b"GET ");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for text in [
            "x\r\n\r\n",
            "GET / HTTP/1.1\r\nnothing\r\n\r\n",
            "GET / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
