//! The room as a whole, against small servers on loopback that misbehave in one way each.

mod faults;
mod flow;
mod lists;
mod server;
mod tokens;
mod ways;
mod wire;

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use tokio::time::Instant;

use self::server::Server;
use super::*;
use crate::dial::{Family, Found, Resolve, ResolveError};
use crate::{
    clock::Clock,
    oci::{Algorithm, Digest, MediaType, Reference, RepositoryPath, UpstreamName},
    source::{BlobStream, Fault, Source, SourceError},
};

const BLOB: &[u8] = b"0123456789abcdef";
const MANIFEST: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

fn repository() -> RepositoryPath {
    "library/alpine".parse().expect("valid")
}

fn tag() -> Reference {
    "3.20".parse().expect("valid")
}

fn by_digest() -> Reference {
    Reference::Digest(digest(MANIFEST))
}

/// Long enough for anything on loopback.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// Names that all stand for loopback.
struct Loopback;

impl Resolve for Loopback {
    fn resolve<'a>(&'a self, host: &'a str, _first: Family) -> BoxFuture<'a, Result<Found, ResolveError>> {
        async move {
            if host.ends_with(".invalid") {
                return Err(ResolveError::NoAddress(None));
            }
            Ok(vec![IpAddr::from([127, 0, 0, 1])].into())
        }
        .boxed()
    }
}

fn options() -> Options {
    Options {
        progress_timeout: Duration::from_millis(300),
        ..Options::default()
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        name: "docker.io".parse::<UpstreamName>().expect("valid"),
        endpoints: vec![url.parse().expect(url)],
        credentials: None,
        ca_pem: None,
        addresses: AddressPolicy::Any,
    }
}

fn credentials() -> Option<Credentials> {
    Some(Credentials {
        username: "larder".to_owned(),
        password: Secret::new("hunter2"),
    })
}

fn client(options: Options) -> Client {
    Client::with_names(options, Clock::system(), Arc::new(Loopback)).expect("a client")
}

fn only(client: &Client, settings: &Settings) -> Arc<Endpoint> {
    client.endpoints(settings).expect("endpoints").remove(0)
}

fn endpoint(server: &Server) -> Arc<Endpoint> {
    only(&client(options()), &settings(&server.url()))
}

/// All bytes of a stream, and the error it ended with.
async fn drain(mut stream: BlobStream) -> (Vec<u8>, Option<SourceError>) {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.chunks.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(error) => {
                assert!(stream.chunks.next().await.is_none(), "nothing after an error");
                return (bytes, Some(error));
            }
        }
    }
    (bytes, None)
}

async fn blob(endpoint: &Endpoint, from: u64) -> Result<BlobStream, SourceError> {
    endpoint.blob(&repository(), &digest(BLOB), from, soon()).await
}

/// The fault of a call that must fail.
fn fault<T>(result: Result<T, SourceError>) -> Fault {
    match result {
        Ok(_) => panic!("it should have failed"),
        Err(error) => error.fault,
    }
}
