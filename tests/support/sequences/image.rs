//! What all sequences share: reading manifests, picking a platform, checking digests.

use std::net::SocketAddr;

use serde_json::Value;

use super::Failure;
use crate::{
    client::{Complete, Request},
    digest,
};

/// The media types every client accepts.
pub const ACCEPT: [&str; 4] = [
    crate::images::media::DOCKER_MANIFEST,
    crate::images::media::DOCKER_LIST,
    crate::images::media::OCI_MANIFEST,
    crate::images::media::OCI_INDEX,
];

/// A layer or configuration to fetch.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub digest: String,
    pub size: u64,
}

/// Sends a request and wants this status.
pub(super) async fn ask(request: Request, server: SocketAddr, status: u16) -> Result<Complete, Failure> {
    let what = format!("{request:?}");
    let answer = request.send(server).await.map_err(|e| format!("{what}: {e}"))?;
    let answer = answer.complete().await.map_err(|e| format!("{what}: {e}"))?;
    if answer.status != status {
        return Err(format!("{what}: {} {}", answer.status, answer.text()));
    }
    Ok(answer)
}

/// Wants the body to be what its digest says.
pub(super) fn verify(answer: &Complete, wanted: &str) -> Result<(), Failure> {
    let hash = if wanted.starts_with("sha512:") {
        digest::sha512
    } else {
        digest::sha256
    };
    let got = hash(&answer.bytes);
    if got == wanted {
        Ok(())
    } else {
        Err(format!("{got} instead of {wanted}"))
    }
}

/// The digest of the fitting image, when the manifest is an index.
pub(super) fn platform(manifest: &Value) -> Option<String> {
    let all = manifest["manifests"].as_array()?;
    let fits = |m: &&Value| m["platform"]["architecture"] == "amd64";
    Some(all.iter().find(fits)?["digest"].as_str()?.to_owned())
}

/// Configuration and layers of an image's manifest, each once.
pub(super) fn parts(manifest: &Value) -> Vec<Part> {
    let layers = manifest["layers"].as_array().into_iter().flatten();
    let mut parts: Vec<Part> = Vec::new();
    for descriptor in std::iter::once(&manifest["config"]).chain(layers) {
        let digest = descriptor["digest"].as_str().unwrap_or_default().to_owned();
        let size = descriptor["size"].as_u64().unwrap_or_default();
        if !parts.iter().any(|p| p.digest == digest) {
            parts.push(Part { digest, size });
        }
    }
    parts
}
