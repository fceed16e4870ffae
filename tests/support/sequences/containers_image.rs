//! skopeo, podman, buildah, CRI-O: ping, GET the tag, GET the blobs; no HEAD, no `ns`, several Accept lines.

use std::net::SocketAddr;

use super::{
    ACCEPT, Failure,
    image::{ask, parts, platform, verify},
};
use crate::client::Request;

/// Pulls `repository:tag` behind `prefix` (the `location` of the mirror, without its host).
pub async fn skopeo(
    server: SocketAddr,
    prefix: &str,
    repository: &str,
    tag: &str,
) -> Result<String, Failure> {
    ask(Request::get("/v2/"), server, 200).await?;
    let manifest = |reference: &str| {
        let request = Request::get(format!("/v2/{prefix}/{repository}/manifests/{reference}"));
        ACCEPT
            .iter()
            .fold(request, |request, kind| request.header("Accept", *kind))
    };
    let top = ask(manifest(tag), server, 200).await?;
    let digest = crate::digest::sha256(&top.bytes);
    let mut document = top.json();
    if let Some(platform) = platform(&document) {
        let image = ask(manifest(&platform), server, 200).await?;
        verify(&image, &platform)?;
        document = image.json();
    }
    for part in parts(&document) {
        let path = format!("/v2/{prefix}/{repository}/blobs/{}", part.digest);
        let blob = ask(Request::get(path).header("Accept", "*/*"), server, 200).await?;
        verify(&blob, &part.digest)?;
    }
    Ok(digest)
}
