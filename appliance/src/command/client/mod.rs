//! Talking to a running box: one request, one answer.
//!
//! Promises: every wait ends; an error says whom it could not reach and what to try.
//! Must not know: what is asked.

mod connect;

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::{
    api::Refusal,
    config::{Endpoint, InvalidEndpoint},
};

/// For the head of an answer: the box answers from memory, or from its index.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two lines of progress; the box repeats itself once a minute.
const SILENCE: Duration = Duration::from_secs(180);

/// More than a listing of tens of thousands of images, in bytes.
const ANSWER_MOST: usize = 64 << 20;

/// Which box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// The one on this machine.
    Socket(PathBuf),
    /// Another, by its URL.
    Network(Endpoint),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("read the box's address")]
    Address(#[source] InvalidEndpoint),
    #[error("commands speak plain HTTP only, not `{endpoint}`; use the box's http address")]
    Https { endpoint: Endpoint },
    #[error(
        "reach the box through {path}: is `larder serve` running with this configuration, for this user?"
    )]
    Socket {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("reach the box at {endpoint}")]
    Network {
        endpoint: Endpoint,
        #[source]
        cause: std::io::Error,
    },
    #[error("the box is silent since {} seconds", .0.as_secs())]
    Silent(Duration),
    #[error("talk to the box")]
    Http(#[source] hyper::Error),
    #[error("the box answered {status}: {error}")]
    Refused { status: StatusCode, error: String },
    #[error("read the box's answer")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("understand the box's answer; is it of the same version?")]
    Json(#[source] serde_json::Error),
}

impl Server {
    /// Asks for a document.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        let body = whole(answer.into_body()).await?;
        serde_json::from_slice(&body).map_err(ClientError::Json)
    }

    /// Sends a document and gets one back.
    pub(super) async fn change<T: DeserializeOwned>(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(document).map_err(ClientError::Json)?;
        let answer = self.send(Method::POST, path, body.into()).await?;
        let body = whole(answer.into_body()).await?;
        serde_json::from_slice(&body).map_err(ClientError::Json)
    }

    /// Sends a document and gets lines back, as they come.
    pub(super) async fn post(&self, path: &str, document: &impl Serialize) -> Result<Lines, ClientError> {
        let body = serde_json::to_vec(document).map_err(ClientError::Json)?;
        let answer = self.send(Method::POST, path, body.into()).await?;
        Ok(Lines {
            body: answer.into_body(),
            rest: Vec::new(),
        })
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, ClientError> {
        let (stream, host) = timeout(PATIENCE, self.connect())
            .await
            .map_err(|_| ClientError::Silent(PATIENCE))??;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(ClientError::Http)?;
        // Its error reaches us through the answer.
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        if let Ok(uri) = path.parse() {
            *request.uri_mut() = uri;
        }
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("larder/", env!("CARGO_PKG_VERSION"))),
        );
        let answer = timeout(PATIENCE, sender.send_request(request))
            .await
            .map_err(|_| ClientError::Silent(PATIENCE))?
            .map_err(ClientError::Http)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body = whole(answer.into_body()).await?;
        let error = serde_json::from_slice::<Refusal>(&body).map_or_else(
            |_| "no reason given; is this a larder?".to_owned(),
            |refusal| refusal.error,
        );
        Err(ClientError::Refused { status, error })
    }
}

async fn whole(body: Incoming) -> Result<Bytes, ClientError> {
    let collected = timeout(PATIENCE, Limited::new(body, ANSWER_MOST).collect())
        .await
        .map_err(|_| ClientError::Silent(PATIENCE))?;
    Ok(collected.map_err(ClientError::Body)?.to_bytes())
}

/// Lines of JSON, arriving.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    /// The next line; nothing at the end.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).map(Some).map_err(ClientError::Json);
            }
            let frame = timeout(SILENCE, self.body.frame())
                .await
                .map_err(|_| ClientError::Silent(SILENCE))?;
            match frame {
                None => return Ok(None),
                Some(Err(e)) => return Err(ClientError::Http(e)),
                Some(Ok(frame)) => self
                    .rest
                    .extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            }
        }
    }
}
