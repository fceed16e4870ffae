//! dockerd: ping, HEAD the tag, GET by digest, blobs three at a time; no `ns`, several Accept lines.

use std::net::SocketAddr;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    ACCEPT, Failure,
    image::{ask, parts, platform, verify},
};
use crate::client::Request;

/// Pulls `path:tag`, where `path` is a repository of Docker Hub or a prefixed one.
pub async fn dockerd(server: SocketAddr, path: &str, tag: &str) -> Result<String, Failure> {
    ask(Request::get("/v2/"), server, 200).await?;
    let manifest = |method: &str, reference: &str| {
        let request = Request::new(method, format!("/v2/{path}/manifests/{reference}"));
        ACCEPT
            .iter()
            .fold(request, |request, kind| request.header("Accept", *kind))
    };
    let resolved = ask(manifest("HEAD", tag), server, 200).await?;
    let digest = resolved.headers.text("docker-content-digest").to_owned();
    let top = ask(manifest("GET", &digest), server, 200).await?;
    verify(&top, &digest)?;
    let mut document = top.json();
    if let Some(platform) = platform(&document) {
        let image = ask(manifest("GET", &platform), server, 200).await?;
        verify(&image, &platform)?;
        document = image.json();
    }
    stream::iter(parts(&document))
        .map(Ok)
        .try_for_each_concurrent(3, async |part| {
            let blob = ask(
                Request::get(format!("/v2/{path}/blobs/{}", part.digest)),
                server,
                200,
            )
            .await?;
            verify(&blob, &part.digest)
        })
        .await?;
    Ok(digest)
}
