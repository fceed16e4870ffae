//! One connection: reads requests, has each answered by its plan, keeps the record.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::{
    Mode, Outcome, Record, Request, Shared,
    listener::may_speak,
    pace::Pace,
    plan::{Step, plan},
};

/// A head longer than this is no request of a registry's client.
const MOST: usize = 64 * 1024;

/// What comes after an answer.
enum Next {
    Another,
    Close,
    Reset,
    Refuse,
}

/// Serves a connection until it ends. When this future is dropped, the connection is reset.
pub(super) async fn serve(stream: TcpStream, mode: watch::Receiver<Mode>, shared: Arc<Shared>) {
    // Small answers must not wait for acknowledgements.
    let _ = stream.set_nodelay(true);
    let number = shared.log.connected(stream.peer_addr().ok());
    let socket = Arc::new(Socket::of(&stream));
    let next = match &shared.settings.tls {
        None => converse(stream, number, mode, &shared, &socket).await,
        Some(tls) => match tls.acceptor.accept(stream).await {
            Ok(stream) => converse(stream, number, mode, &shared, &socket).await,
            Err(_) => Next::Close,
        },
    };
    match next {
        Next::Another | Next::Close => socket.leave_in_order(),
        Next::Reset => {}
        Next::Refuse => shared.take_down(),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    number: u64,
    mode: watch::Receiver<Mode>,
    shared: &Shared,
    socket: &Socket,
) -> Next {
    let pace = Pace::new(shared.settings.rate_per_connection);
    let mut wire = Wire {
        stream,
        mode,
        shared,
        pace,
    };
    let mut buffer = BytesMut::new();
    loop {
        let Some(head) = read_head(&mut wire.stream, &mut buffer).await else {
            return Next::Close;
        };
        let Some(request) = Request::parse(&head) else {
            return Next::Close;
        };
        let closes =
            request.headers.text("connection").eq_ignore_ascii_case("close") || shared.settings.closes;
        let record = shared.log.add(request.clone(), number);
        let guard = Ended(&record);
        let fault = shared.script.fault_for(&request);
        let (status, steps) = plan(&request, fault, shared);
        record.set_status(status);
        match wire.perform(steps, &record).await {
            Ok(Next::Another) if !closes => drop(guard),
            Ok(Next::Another) => return Next::Close,
            // The socket must be told before the streams around it are dropped.
            Ok(Next::Close) => {
                socket.leave_in_order();
                return Next::Close;
            }
            Ok(end) => return end,
            Err(_) => return Next::Close,
        }
    }
}

/// Ends the record however the answer ends.
struct Ended<'a>(&'a Record);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end(Outcome::Left);
    }
}

struct Wire<'a, S> {
    stream: S,
    mode: watch::Receiver<Mode>,
    shared: &'a Shared,
    pace: Pace,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<'_, S> {
    async fn perform(&mut self, steps: Vec<Step>, record: &Record) -> std::io::Result<Next> {
        for step in steps {
            may_speak(&mut self.mode).await;
            match step {
                Step::Head(head) => {
                    self.stream.write_all(&head).await?;
                    self.stream.flush().await?;
                }
                Step::Frame(bytes) => self.stream.write_all(bytes).await?,
                Step::Body(body) => self.send(body, record).await?,
                Step::Slowly(body, rate) => {
                    let pace = Pace::new(Some(rate));
                    self.send_at(body, record, &pace).await?;
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Gate(gate) => gate.pass().await,
                Step::Stall => {
                    self.until_left().await;
                    record.end(Outcome::Played);
                    return Ok(Next::Close);
                }
                Step::Close => {
                    record.end(Outcome::Played);
                    self.stream.flush().await?;
                    return Ok(Next::Close);
                }
                Step::Reset => {
                    record.end(Outcome::Played);
                    return Ok(Next::Reset);
                }
                Step::Refuse => {
                    record.end(Outcome::Played);
                    return Ok(Next::Refuse);
                }
            }
        }
        self.stream.flush().await?;
        record.end(Outcome::Whole);
        Ok(Next::Another)
    }

    async fn send(&mut self, mut body: Bytes, record: &Record) -> std::io::Result<()> {
        let chunk = self.shared.pace.chunk().min(self.pace.chunk());
        while !body.is_empty() {
            let part = body.split_to(chunk.min(body.len()));
            self.shared.pace.wait(part.len()).await;
            self.pace.wait(part.len()).await;
            self.write(part, record).await?;
        }
        Ok(())
    }

    async fn send_at(&mut self, mut body: Bytes, record: &Record, pace: &Pace) -> std::io::Result<()> {
        while !body.is_empty() {
            let part = body.split_to(pace.chunk().min(body.len()));
            pace.wait(part.len()).await;
            self.write(part, record).await?;
        }
        Ok(())
    }

    async fn write(&mut self, mut part: Bytes, record: &Record) -> std::io::Result<()> {
        may_speak(&mut self.mode).await;
        while part.has_remaining() {
            let written = self.stream.write_buf(&mut part).await?;
            record.add_sent(written as u64);
        }
        Ok(())
    }

    /// Until the other side closes or resets; what it says meanwhile is not heard.
    async fn until_left(&mut self) {
        let mut ignored = [0; 1024];
        while self.stream.read(&mut ignored).await.is_ok_and(|n| n > 0) {}
    }
}

/// The next request's head; nothing at the end of the connection.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut BytesMut) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.advance(end + 4);
            return Some(head);
        }
        if buffer.len() > MOST || stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

/// The socket below, for saying how it is to be closed.
struct Socket {
    fd: Option<std::os::fd::OwnedFd>,
}

impl Socket {
    /// From here on, dropping the stream resets the connection.
    fn of(stream: &TcpStream) -> Self {
        let _ = stream.set_zero_linger();
        Self {
            fd: rustix::io::dup(stream).ok(),
        }
    }

    /// From here on, dropping the stream ends the connection in order.
    fn leave_in_order(&self) {
        if let Some(fd) = &self.fd {
            let _ = rustix::net::sockopt::set_socket_linger(fd, None);
        }
    }
}

impl Shared {
    fn take_down(&self) {
        for port in &self.ports {
            port.send_replace(Mode::Refusing);
        }
    }
}
