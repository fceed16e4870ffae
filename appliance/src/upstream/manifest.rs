//! Manifests: which digest a reference stands for, and the document itself.
//!
//! Promises: a document that is returned matches its digest; what a captive portal says is not taken for a
//! manifest; looking up costs no GET where the registry does it right. Must not know: what the manifest names.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;

use super::{
    answer::{is_page, page},
    errand::{Errand, number},
    failure::Failure,
};
use crate::{
    oci::{Algorithm, Digest, MANIFEST_LIMIT, Manifest, MediaType, Reference},
    source::Resolved,
};

/// The digest a reference stands for, by HEAD; by GET where a registry does not do HEAD properly.
pub(super) async fn resolve(errand: Errand<'_>, reference: &Reference) -> Result<Resolved, Failure> {
    let below = format!("manifests/{reference}");
    let answer = errand
        .ask(Method::HEAD, &below, Some(MediaType::ACCEPT), 0)
        .await?;
    let headers = answer.response.headers();
    match answer.response.status() {
        StatusCode::OK => {
            if is_page(headers) {
                return Err(page());
            }
            if let Some(resolved) = resolved(headers, reference)? {
                return Ok(resolved);
            }
        }
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {}
        // A registry that knows what it says describes the document it would send with a GET. A bare 404
        // is somebody's default for a method it does not know.
        StatusCode::NOT_FOUND if !headers.contains_key(header::CONTENT_TYPE) => {}
        _ => return Err(errand.refusal(answer).await),
    }
    let manifest = fetch(errand, reference).await?;
    Ok(Resolved {
        digest: manifest.digest,
        media_type: manifest.media_type,
        size: Some(manifest.bytes.len() as u64),
    })
}

/// What a HEAD said, if it said enough.
fn resolved(headers: &HeaderMap, reference: &Reference) -> Result<Option<Resolved>, Failure> {
    let (Some(digest), Some(media_type)) = (declared_digest(headers), declared_type(headers)) else {
        return Ok(None);
    };
    if let Reference::Digest(asked) = reference
        && *asked != digest
    {
        return Err(mismatch(&digest, asked));
    }
    Ok(Some(Resolved {
        digest,
        media_type,
        size: number(headers, header::CONTENT_LENGTH),
    }))
}

/// The document.
pub(super) async fn fetch(errand: Errand<'_>, reference: &Reference) -> Result<Manifest, Failure> {
    let below = format!("manifests/{reference}");
    let answer = errand
        .ask(Method::GET, &below, Some(MediaType::ACCEPT), 0)
        .await?;
    if answer.response.status() != StatusCode::OK {
        return Err(errand.refusal(answer).await);
    }
    let (head, body) = answer.response.into_parts();
    if is_page(&head.headers) {
        return Err(page());
    }
    let limit = usize::try_from(MANIFEST_LIMIT).unwrap_or(usize::MAX);
    let bytes = errand.document(body, limit).await?;
    verified(&head.headers, bytes, reference)
}

fn verified(headers: &HeaderMap, bytes: Bytes, reference: &Reference) -> Result<Manifest, Failure> {
    let expected = match reference {
        Reference::Digest(digest) => Some(*digest),
        Reference::Tag(_) => declared_digest(headers),
    };
    let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
    let digest = Digest::of(algorithm, &bytes);
    if let Some(expected) = expected
        && expected != digest
    {
        return Err(mismatch(&digest, &expected));
    }
    let document: Document = serde_json::from_slice(&bytes)
        .map_err(|_| Failure::untrustworthy("the manifest is not a JSON object"))?;
    let media_type = declared_type(headers)
        .or_else(|| document.media_type())
        .ok_or_else(|| Failure::untrustworthy("the document does not look like any manifest"))?;
    Ok(Manifest {
        digest,
        media_type,
        bytes,
    })
}

fn mismatch(found: &Digest, wanted: &Digest) -> Failure {
    Failure::untrustworthy(format!("the digest is {found} and should be {wanted}"))
}

/// `Docker-Content-Digest`, if it is a digest.
fn declared_digest(headers: &HeaderMap) -> Option<Digest> {
    headers
        .get("docker-content-digest")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// `Content-Type`, if it says more than that there is a document.
fn declared_type(headers: &HeaderMap) -> Option<MediaType> {
    let declared: MediaType = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.parse().ok()?;
    let generic = matches!(
        declared.as_str(),
        "application/json" | "text/json" | "text/plain" | "application/octet-stream" | "binary/octet-stream"
    );
    (!generic).then_some(declared)
}

/// As much of a manifest as tells what it is.
#[derive(Deserialize)]
struct Document {
    #[serde(rename = "mediaType")]
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Document {
    fn media_type(&self) -> Option<MediaType> {
        if let Some(Ok(own)) = self.media_type.as_deref().map(str::parse) {
            return Some(own);
        }
        let shape = if self.manifests.is_some() {
            MediaType::OCI_INDEX
        } else if self.config.is_some() && self.layers.is_some() {
            MediaType::OCI_MANIFEST
        } else if self.fs_layers.is_some() {
            "application/vnd.docker.distribution.manifest.v1+prettyjws"
        } else {
            return None;
        };
        shape.parse().ok()
    }
}

#[cfg(test)]
#[path = "tests/manifest.rs"]
mod tests;
