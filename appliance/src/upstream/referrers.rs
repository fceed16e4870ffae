//! What refers to a piece of content: signatures, bills of materials.
//!
//! Promises: an index of them all, from the referrers API or, where a registry does not have it, from the tag
//! schema that came before; an empty index where there are none. Must not know: what they are.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::{is_page, page},
    errand::Errand,
    failure::{Failure, Kind},
    manifest, pages,
};
use crate::oci::{Digest, MANIFEST_LIMIT, MediaType, Reference};

pub(super) async fn list(errand: Errand<'_>, subject: &Digest) -> Result<Bytes, Failure> {
    match from_api(errand, subject).await? {
        Some(index) => Ok(index),
        None => from_tag(errand, subject).await,
    }
}

/// `None` when the registry does not have the API.
async fn from_api(errand: Errand<'_>, subject: &Digest) -> Result<Option<Bytes>, Failure> {
    let home = errand.endpoint.url.origin();
    let accept = Some(MediaType::OCI_INDEX);
    let mut answer = errand
        .ask(Method::GET, &format!("referrers/{subject}"), accept, 0)
        .await?;
    let mut all: Vec<Value> = Vec::new();
    let mut size = 0;
    for number in 0..pages::MOST {
        let status = answer.response.status();
        // The specification's sign is a 404. Registries from before it know neither path nor method.
        if number == 0 && matches!(status.as_u16(), 400 | 404 | 405 | 501) {
            return Ok(None);
        }
        if status != StatusCode::OK {
            return Err(errand.refusal(answer).await);
        }
        let here = answer.uri;
        let (head, body) = answer.response.into_parts();
        if is_page(&head.headers) {
            return Err(page());
        }
        let bytes = errand.document(body, pages::LARGEST).await?;
        let next = pages::next(&head.headers, &here, home)?;
        let entries = entries(&bytes)?;
        if number == 0 && next.is_none() {
            return Ok(Some(bytes));
        }
        size += bytes.len() as u64;
        all.extend(entries);
        match next {
            // All of them have to be one document in the end.
            Some(next) if size < MANIFEST_LIMIT => {
                answer = errand.ask_at(Method::GET, next, accept, 0).await?;
            }
            _ => break,
        }
    }
    index(&all).map(Some)
}

/// `sha256-<hex>`, the tag that stands for all referrers of a digest.
async fn from_tag(errand: Errand<'_>, subject: &Digest) -> Result<Bytes, Failure> {
    let Ok(tag) = subject.file_name().parse() else {
        // sha512 in hexadecimal is longer than a tag may be: nobody can have written one.
        return index(&[]);
    };
    match manifest::fetch(errand, &Reference::Tag(tag)).await {
        Ok(found) => entries(&found.bytes).map(|_| found.bytes),
        Err(failure) if failure.kind == Kind::NotFound => index(&[]),
        Err(failure) => Err(failure),
    }
}

/// The descriptors in an index.
fn entries(bytes: &[u8]) -> Result<Vec<Value>, Failure> {
    let not_one = || Failure::untrustworthy("the list of referrers is not an index");
    let document: Value = serde_json::from_slice(bytes).map_err(|_| not_one())?;
    match document {
        Value::Object(mut members) => match members.remove("manifests") {
            Some(Value::Array(entries)) => Ok(entries),
            Some(Value::Null) => Ok(Vec::new()),
            _ => Err(not_one()),
        },
        _ => Err(not_one()),
    }
}

fn index(manifests: &[Value]) -> Result<Bytes, Failure> {
    let document = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": manifests,
    });
    serde_json::to_vec(&document)
        .map(Bytes::from)
        .map_err(|error| Failure::new(Kind::Ours, error))
}
