//! A tunnel through an HTTP proxy: `CONNECT`.
//!
//! Promises: reads the proxy's answer to its blank line and not a byte further; bounded in size. Whoever calls
//! bounds it in time.

use std::io;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{origin::Origin, proxy::Proxy};

/// The longest answer of a proxy, in bytes.
const LONGEST: usize = 8 << 10;

/// Why there is no tunnel.
#[derive(Debug, thiserror::Error)]
pub enum TunnelError {
    #[error("the connection to the proxy broke")]
    Io(#[from] io::Error),
    #[error("the proxy answered `{0}`")]
    Refused(String),
    #[error("the proxy's answer is not HTTP")]
    Nonsense,
}

impl TunnelError {
    /// The error of the connection, if it was one.
    pub fn io(&self) -> Option<&io::Error> {
        match self {
            Self::Io(source) => Some(source),
            Self::Refused(_) | Self::Nonsense => None,
        }
    }
}

/// Asks the proxy at the other end of `stream` for a tunnel to `target`.
pub(super) async fn open(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proxy: &Proxy,
    target: &Origin,
) -> Result<(), TunnelError> {
    stream.write_all(&request(proxy, target)).await?;
    stream.flush().await?;
    let mut answer = Vec::with_capacity(256);
    // One byte at a time: what follows the blank line belongs to the tunnel. It happens once a connection.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= LONGEST {
            return Err(TunnelError::Nonsense);
        }
        answer.push(stream.read_u8().await?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    match (words.next(), words.next()) {
        (Some("HTTP/1.0" | "HTTP/1.1"), Some(status)) if status.len() == 3 && status.starts_with('2') => {
            Ok(())
        }
        (Some(version), Some(_)) if version.starts_with("HTTP/") => {
            Err(TunnelError::Refused(line.chars().take(200).collect()))
        }
        _ => Err(TunnelError::Nonsense),
    }
}

fn request(proxy: &Proxy, target: &Origin) -> Vec<u8> {
    let authority = target.authority();
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(authorization) = proxy.authorization.as_ref().map(HeaderValue::as_bytes) {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(text: &str) -> Result<(), TunnelError> {
        let (mut here, mut there) = tokio::io::duplex(64 << 10);
        there.write_all(text.as_bytes()).await.expect("room");
        there.shutdown().await.expect("open");
        let origin = |url: &str| Origin::of(&url.parse().expect(url)).expect(url);
        let proxy = Proxy {
            origin: origin("http://proxy:1"),
            authorization: None,
        };
        open(&mut here, &proxy, &origin("https://ghcr.io")).await
    }

    #[tokio::test]
    async fn a_200_opens_it() {
        assert!(
            answer("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n")
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn anything_else_does_not() {
        assert!(matches!(
            answer("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await,
            Err(TunnelError::Refused(line)) if line.contains("407")
        ));
        assert!(matches!(
            answer("SSH-2.0-x\r\n\r\n").await,
            Err(TunnelError::Nonsense)
        ));
        assert!(matches!(answer("HTTP/1.1 200").await, Err(TunnelError::Io(_))));
        let endless = "x".repeat(LONGEST + 1);
        assert!(matches!(answer(&endless).await, Err(TunnelError::Nonsense)));
    }
}
