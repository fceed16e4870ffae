//! The first bytes of a connection, which tell HTTP/1.1 from HTTP/2.
//!
//! hyper's clock for a request's head starts when it knows the protocol. A client that sends nothing, or the
//! beginning of HTTP/2's preface and then nothing, would cost a connection for ever.
//!
//! Promises: [`settled`] ends by its time; what was read of the connection is given back to whoever reads it
//! next. Must not know: what follows the preface.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use tokio::time::timeout;

/// What every HTTP/2 connection begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes were looked at.
pub(super) struct Settled<I> {
    io: I,
    looked_at: [u8; PREFACE.len()],
    /// Those of them that are still to be read.
    unread: std::ops::Range<usize>,
}

/// Waits until a connection's first bytes tell its protocol. `None` when they do not in time, or when it ends.
pub(super) async fn settled<I: Read + Unpin>(mut io: I, patience: Duration) -> Option<Settled<I>> {
    let mut looked_at = [0; PREFACE.len()];
    let length = timeout(patience, look(&mut io, &mut looked_at))
        .await
        .ok()?
        .ok()?;
    Some(Settled {
        io,
        looked_at,
        unread: 0..length,
    })
}

/// Reads until what was read is the preface, or is not.
async fn look<I: Read + Unpin>(io: &mut I, looked_at: &mut [u8; PREFACE.len()]) -> io::Result<usize> {
    let mut length = 0;
    while length < PREFACE.len() && PREFACE.starts_with(&looked_at[..length]) {
        let more = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut looked_at[length..]);
            ready!(Pin::new(&mut *io).poll_read(cx, buffer.unfilled()))?;
            Poll::Ready(io::Result::Ok(buffer.filled().len()))
        })
        .await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += more;
    }
    Ok(length)
}

impl<I: Read + Unpin> Read for Settled<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let count = self.unread.len().min(buffer.remaining());
        let start = self.unread.start;
        buffer.put_slice(&self.looked_at[start..start + count]);
        self.unread.start += count;
        Poll::Ready(Ok(()))
    }
}

impl<I: Write + Unpin> Write for Settled<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const PATIENCE: Duration = Duration::from_secs(75);

    async fn after(sent: &[u8]) -> (Option<Settled<TokioIo<DuplexStream>>>, DuplexStream) {
        let (mut client, server) = duplex(1024);
        client.write_all(sent).await.expect("sent");
        (settled(TokioIo::new(server), PATIENCE).await, client)
    }

    #[tokio::test(start_paused = true)]
    async fn the_protocol_is_known_and_nothing_is_lost() {
        for sent in [
            &b"GET /v2/ HTTP/1.1\r\n\r\n"[..],
            b"P",
            b"PUT / HTTP/1.1\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n and frames",
        ] {
            let begun = sent == b"P";
            let (settled, mut client) = after(sent).await;
            assert_eq!(settled.is_none(), begun, "{sent:?}");
            let Some(settled) = settled else { continue };
            client.shutdown().await.expect("closed");
            let mut all = Vec::new();
            TokioIo::new(settled).read_to_end(&mut all).await.expect("read");
            assert_eq!(all, sent);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_leaves_is_not_waited_for() {
        assert!(after(b"").await.0.is_none(), "silence");
        let (client, server) = duplex(16);
        drop(client);
        assert!(settled(TokioIo::new(server), PATIENCE).await.is_none(), "gone");
        let (mut client, server) = duplex(16);
        let dripping = tokio::spawn(async move {
            for byte in &PREFACE[..10] {
                client.write_all(&[*byte]).await.expect("sent");
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
            client
        });
        let begun = tokio::time::Instant::now();
        assert!(
            settled(TokioIo::new(server), PATIENCE).await.is_none(),
            "byte by byte"
        );
        assert_eq!(begun.elapsed().as_secs(), PATIENCE.as_secs());
        dripping.abort();
    }
}
