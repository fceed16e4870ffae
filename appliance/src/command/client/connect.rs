//! Getting a connection to a box.

use http::HeaderValue;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{ClientError, Server};
use crate::config::{Endpoint, Scheme};

/// A connection of either kind.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Server {
    /// Which box a person means: the one named, else the one on this machine.
    pub(in crate::command) fn named(text: &str) -> Result<Self, ClientError> {
        let text = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let endpoint = text.parse::<Endpoint>().and_then(Endpoint::without_path);
        let endpoint = endpoint.map_err(ClientError::Address)?;
        match endpoint.scheme() {
            Scheme::Http => Ok(Self::Network(endpoint)),
            Scheme::Https => Err(ClientError::Https { endpoint }),
        }
    }

    /// A connection, and what to call the other side.
    pub(super) async fn connect(&self) -> Result<(TokioIo<Box<dyn Connection>>, HeaderValue), ClientError> {
        let (stream, host): (Box<dyn Connection>, _) = match self {
            Self::Socket(path) => {
                let stream = UnixStream::connect(path)
                    .await
                    .map_err(|cause| ClientError::Socket {
                        path: path.clone(),
                        cause,
                    })?;
                (Box::new(stream), Ok(HeaderValue::from_static("localhost")))
            }
            Self::Network(endpoint) => {
                let address = (endpoint.host(), endpoint.port());
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|cause| ClientError::Network {
                        endpoint: endpoint.clone(),
                        cause,
                    })?;
                (Box::new(stream), HeaderValue::from_str(endpoint.authority()))
            }
        };
        // An endpoint's authority was parsed as one: it can stand in a header.
        let host = host.unwrap_or(HeaderValue::from_static("localhost"));
        Ok((TokioIo::new(stream), host))
    }
}
