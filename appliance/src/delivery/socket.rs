//! A TCP connection that sends file windows with `sendfile`.

use std::{
    fs::File,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use rustix::net::SendFlags;
use tokio::{io::Interest, net::TcpStream};

use super::Windows;

/// The most that one `sendfile` moves, in bytes: long enough that the call's cost vanishes, short enough
/// that a cold page under it holds the thread for milliseconds and not for seconds.
const SENDFILE_MAX: usize = 2 << 20;

/// The socket of one connection.
pub struct Socket {
    stream: TokioIo<TcpStream>,
    windows: Arc<Windows>,
}

impl Socket {
    /// `windows` are shared with the bodies of this connection's responses.
    pub fn new(stream: TcpStream, windows: Arc<Windows>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            windows,
        }
    }

    fn tcp(&self) -> &TcpStream {
        self.stream.inner()
    }

    /// Tries `send` whenever the socket is writable until it does something.
    fn poll_send(
        &self,
        cx: &mut Context<'_>,
        send: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let tcp = self.tcp();
        loop {
            ready!(tcp.poll_write_ready(cx))?;
            match tcp.try_io(Interest::WRITABLE, || send(tcp)) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                done => return Poll::Ready(done),
            }
        }
    }
}

fn send_file(tcp: &TcpStream, file: &File, offset: u64, length: usize) -> io::Result<usize> {
    let mut position = offset;
    match rustix::fs::sendfile(tcp, file, Some(&mut position), length.min(SENDFILE_MAX))? {
        // hyper takes zero for a closed socket; here it means that the file is shorter than promised.
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the blob file is shorter than its size",
        )),
        sent => Ok(sent),
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.windows.contains(bytes) {
            return self.poll_write_vectored(cx, &[IoSlice::new(bytes)]);
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let windows = &self.windows;
        // What stands before the first window goes out by an ordinary call: heads, inline content.
        let Some(first) = slices.iter().position(|slice| windows.contains(slice)) else {
            return self.poll_send(cx, |tcp| Ok(rustix::io::writev(tcp, slices)?));
        };
        match slices[..first].iter().find(|slice| !slice.is_empty()) {
            // MORE: the head and the first bytes of the file share a packet.
            Some(head) => self.poll_send(cx, |tcp| {
                Ok(rustix::net::send(
                    tcp,
                    head,
                    SendFlags::MORE | SendFlags::NOSIGNAL,
                )?)
            }),
            None => self.poll_send(cx, |tcp| {
                let sent = windows.with(&slices[first], |file, offset, length| {
                    send_file(tcp, file, offset, length)
                });
                sent.unwrap_or_else(|| Err(io::ErrorKind::InvalidInput.into()))
            }),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.windows.reset_requested() {
            // Best effort: a socket that is gone already cannot be reset.
            let _ = self.tcp().set_zero_linger();
        }
    }
}
