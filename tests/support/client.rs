//! A plain HTTP/1.1 client that sees what happens on the wire.
//!
//! Promises: one connection for each request; headers as they were sent; the time of the first byte; a
//! body that can be read slowly, in part, or be left; an honest account of a body that was cut.
//! Must not know: registries.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream};

mod body;
mod head;

pub use body::{Body, BodyError};
pub use head::Headers;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: bytes::Bytes,
    receive_buffer: Option<u32>,
}

impl Request {
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            receive_buffer: None,
        }
    }

    pub fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path)
    }

    pub fn head(path: impl Into<String>) -> Self {
        Self::new("HEAD", path)
    }

    /// Adds a header line; the same name may be given several times and is sent as several lines.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Asks for part of the body: `range("bytes=5-")`.
    pub fn range(self, range: impl Into<String>) -> Self {
        self.header("Range", range)
    }

    pub fn body(mut self, body: impl Into<bytes::Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Keeps the kernel from reading far ahead, so that a slow reader is slow for the server too.
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Sends it and gives the answer's head; the body is still to be read.
    pub async fn send(self, server: SocketAddr) -> std::io::Result<Response> {
        let started = Instant::now();
        let socket = match server {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4()?,
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6()?,
        };
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        let mut stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        stream.write_all(self.head_text(server).as_bytes()).await?;
        stream.write_all(&self.body).await?;
        let (status, headers, rest) = head::read(&mut stream).await?;
        let first_byte = started.elapsed();
        let body = Body::new(stream, rest, self.method == "HEAD", status, &headers);
        Ok(Response {
            status,
            headers,
            first_byte,
            started,
            body,
        })
    }

    fn head_text(&self, server: SocketAddr) -> String {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head + "\r\n"
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Headers,
    /// From the start of connecting to the whole head.
    pub first_byte: Duration,
    pub started: Instant,
    pub body: Body,
}

impl Response {
    /// Reads the body to its end.
    pub async fn complete(mut self) -> Result<Complete, BodyError> {
        let bytes = self.body.read_all().await?;
        Ok(Complete {
            status: self.status,
            headers: self.headers,
            first_byte: self.first_byte,
            bytes,
        })
    }

    /// Leaves the connection with a reset, as a client that is killed does.
    pub fn abort(self) {
        self.body.abort();
    }
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Complete {
    pub status: u16,
    pub headers: Headers,
    pub first_byte: Duration,
    pub bytes: bytes::Bytes,
}

impl Complete {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// The code of the specification's error body, `""` if it is none.
    pub fn error_code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.bytes).unwrap_or_default();
        body["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A GET, to its end.
pub async fn get(server: SocketAddr, path: impl Into<String>) -> Result<Complete, BodyError> {
    Request::get(path).send(server).await?.complete().await
}

/// True when something listens at `server`.
pub async fn answers(server: SocketAddr) -> bool {
    TcpStream::connect(server).await.is_ok()
}
