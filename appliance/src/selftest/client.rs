//! Somebody who pulls: one request on a connection of its own, as clients make them.
//!
//! Promises: every wait ends; what is told of content is what arrived. Must not know: who answers.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::content::{Blob, Image};
use crate::{
    oci::{Algorithm, Digest},
    source::chain,
};

/// Longer than a client waits before it takes a mirror to hang.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer that came to its end.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub(super) status: StatusCode,
    pub(super) bytes: Bytes,
    /// From the request to the first byte of content; without content, to the head.
    pub(super) first_byte: Duration,
}

/// Why there was none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("nothing came for {} s", PATIENCE.as_secs())]
    Silent,
    #[error("connect")]
    Connect(#[source] std::io::Error),
    #[error("talk to the mirror")]
    Http(#[source] hyper::Error),
    #[error("write the request")]
    Request(#[source] http::Error),
    #[error("{0}")]
    Wrong(String),
}

/// An answer as it comes.
pub(super) struct Coming {
    pub(super) status: StatusCode,
    body: Incoming,
    asked: Instant,
    first_byte: Option<Duration>,
}

impl Coming {
    /// The next bytes; nothing after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let frame = timeout(PATIENCE, self.body.frame())
                .await
                .map_err(|_| Broken::Silent)?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(Broken::Http(error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.first_byte.get_or_insert_with(|| self.asked.elapsed());
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads until more than so many bytes have come.
    pub(super) async fn beyond(&mut self, place: u64) -> Result<(), Broken> {
        let mut read = 0;
        while read <= place {
            let Some(data) = self.next().await? else {
                return Ok(());
            };
            read += data.len() as u64;
        }
        Ok(())
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Whole, Broken> {
        let head = self.asked.elapsed();
        let mut bytes = Vec::new();
        while let Some(data) = self.next().await? {
            bytes.extend_from_slice(&data);
        }
        Ok(Whole {
            status: self.status,
            bytes: bytes.into(),
            first_byte: self.first_byte.unwrap_or(head),
        })
    }
}

/// Asks, and hands over what comes.
pub(super) async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Coming, Broken> {
    let asked = Instant::now();
    let stream = timeout(PATIENCE, TcpStream::connect(address))
        .await
        .map_err(|_| Broken::Silent)?
        .map_err(Broken::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(Broken::Http)?;
    // Its error reaches us through the answer.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "larder-selftest")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .map_err(Broken::Request)?;
    let answer: Response<Incoming> = timeout(PATIENCE, sender.send_request(request))
        .await
        .map_err(|_| Broken::Silent)?
        .map_err(Broken::Http)?;
    let (head, body) = answer.into_parts();
    Ok(Coming {
        status: head.status,
        body,
        asked,
        first_byte: None,
    })
}

/// GETs what may be anything.
pub(super) async fn get(address: SocketAddr, path: &str) -> Result<Whole, Broken> {
    ask(address, Method::GET, path, Bytes::new()).await?.whole().await
}

/// GETs a blob to its end, which has to be right.
pub(super) async fn blob(address: SocketAddr, blob: &Blob) -> Result<Whole, Broken> {
    let whole = get(address, &blob.path()).await?;
    if whole.status != StatusCode::OK {
        let said = String::from_utf8_lossy(&whole.bytes);
        return Err(Broken::Wrong(format!(
            "{} answered {}: {said}",
            blob.digest, whole.status
        )));
    }
    let digest = Digest::of(Algorithm::Sha256, &whole.bytes);
    if digest != blob.digest {
        return Err(Broken::Wrong(format!("{} came as {digest}", blob.digest)));
    }
    Ok(whole)
}

/// Pulls an image: its manifest, and one blob after the other. Says how many bytes that were.
pub(super) async fn pull(address: SocketAddr, image: &Image) -> Result<u64, Broken> {
    let manifest = get(address, &image.path()).await?;
    if manifest.status != StatusCode::OK || manifest.bytes != image.manifest {
        let said = String::from_utf8_lossy(&manifest.bytes);
        return Err(Broken::Wrong(format!(
            "the manifest of {} came as {}: {said}",
            image.tag, manifest.status
        )));
    }
    let mut bytes = manifest.bytes.len() as u64;
    for needed in &image.blobs {
        bytes += blob(address, needed).await?.bytes.len() as u64;
    }
    Ok(bytes)
}

/// What went wrong, on one line.
pub(super) fn told(broken: &Broken) -> String {
    chain(broken)
}
