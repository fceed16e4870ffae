//! A conversation until it is encrypted: TLS from its beginning, or `STARTTLS` (RFC 3207).
//!
//! Promises: what was said before the encryption is forgotten, and nothing that came with it is taken for what comes
//! after; without encryption nothing goes on that was not waived. Must not know: mail.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::{
    alert::receiver::undelivered::{Attempt, Fault, Undelivered},
    config::{Protection, Smtp},
    dial::{Connector, Origin, Scheme, Stream},
};

/// The longest answer of a server, in bytes.
const LONGEST: usize = 8 << 10;
/// After `STARTTLS` a conversation begins anew, but for the greeting. Whoever goes on with it waits for one.
const GREETING: &[u8] = b"220 ready\r\n";

/// A connection on which a server waits for `EHLO`, with a greeting before it.
#[derive(Debug)]
pub(super) struct Begun {
    greeting: &'static [u8],
    stream: Stream,
}

pub(super) async fn begin(
    connector: &Connector,
    way: &Smtp,
    host: &str,
    attempt: &Attempt,
) -> Result<Begun, Undelivered> {
    let is_encrypted = way.url.scheme() == "smtps";
    let target = Origin {
        scheme: if is_encrypted { Scheme::Https } else { Scheme::Http },
        host: way.url.host().to_owned(),
        port: way.url.port(),
    };
    let unconnected = |error| attempt.unconnected(&error);
    let mut stream = connector.open(&target).await.map_err(unconnected)?;
    if is_encrypted {
        return Ok(Begun {
            greeting: b"",
            stream,
        });
    }
    ask(&mut stream, "", attempt, "220").await?;
    let offers = ask(&mut stream, &format!("EHLO {host}\r\n"), attempt, "250").await?;
    let offers_tls = offers.lines().any(|line| {
        line.get(4..)
            .is_some_and(|word| word.trim().eq_ignore_ascii_case("STARTTLS"))
    });
    if offers_tls {
        ask(&mut stream, "STARTTLS\r\n", attempt, "220").await?;
        stream = connector.secure(stream, &target).await.map_err(unconnected)?;
    } else if way.protection == Protection::Required {
        return Err(attempt.failed(
            Fault::Misconfigured,
            "the server offers no STARTTLS; use `smtps://…`, or set `insecure = true` to send mail in the clear",
        ));
    }
    Ok(Begun {
        greeting: GREETING,
        stream,
    })
}

/// Says something, and reads an answer that begins with a code.
async fn ask(stream: &mut Stream, words: &str, attempt: &Attempt, code: &str) -> Result<String, Undelivered> {
    let exchange = async {
        stream.write_all(words.as_bytes()).await?;
        stream.flush().await?;
        answer(stream).await
    };
    let answer = exchange.await.map_err(|error| attempt.broken(&error))?;
    if answer.starts_with(code) {
        return Ok(answer);
    }
    let fault = match answer.as_bytes().first() {
        Some(b'5') => Fault::Misconfigured,
        _ => Fault::Broken(None),
    };
    let said = answer.trim();
    Err(attempt.failed(fault, format!("it answered `{said}`")))
}

/// All lines of an answer. One byte at a time: what follows it may be no text.
async fn answer(stream: &mut Stream) -> io::Result<String> {
    let mut answer = Vec::with_capacity(128);
    loop {
        let start = answer.len();
        while answer.last() != Some(&b'\n') || answer.len() == start {
            if answer.len() >= LONGEST {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "its answer has no end",
                ));
            }
            answer.push(stream.read_u8().await?);
        }
        // `250-more` goes on, `250 end` does not.
        if answer.get(start + 3) != Some(&b'-') {
            return String::from_utf8(answer)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "its answer is no text"));
        }
    }
}

impl AsyncTokioStream for Begun {
    /// Nobody asks for it.
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let length = self.greeting.len().min(buffer.remaining());
            let (now, later) = self.greeting.split_at(length);
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
