//! The answer a healthy registry gives.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Request, Shared, auth, request::Target};
use crate::images::Blob;

/// An answer, before any fault is played on it.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: u16,
    /// Without Content-Length, which follows from the body.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// What Content-Length says; differs from the body's length for HEAD and for lies.
    pub length: u64,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            length: body.len() as u64,
            body,
        }
    }

    pub(super) fn json(status: u16, document: &Value) -> Self {
        Self::new(status, "application/json", document.to_string())
    }

    /// The specification's error body.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(
            status,
            &json!({ "errors": [{ "code": code, "message": message }] }),
        )
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Replaces a header wherever it stands.
    pub(super) fn set_header(&mut self, name: &str, value: impl Into<String>) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
    }
}

/// What a healthy registry answers to `request`.
pub(super) fn healthy(request: &Request, shared: &Shared) -> Answer {
    let answer = open(request, shared);
    if shared.settings.closes {
        answer.header("Connection", "close")
    } else {
        answer
    }
}

fn open(request: &Request, shared: &Shared) -> Answer {
    if let Some(refusal) = auth::refusal(request, shared) {
        return without_body_for_head(refusal, request);
    }
    let content = &shared.content;
    let answer = match &request.target {
        Target::Ping => Answer::json(200, &json!({})),
        Target::Token => auth::token(request, shared),
        Target::Manifest {
            repository,
            reference,
        } => match content.manifest(repository, reference) {
            Some(manifest) => self::manifest(manifest),
            None => Answer::error(404, "MANIFEST_UNKNOWN", "no such manifest"),
        },
        Target::Blob { repository, digest } => match content.blob(repository, digest) {
            Some(_) if shared.settings.redirects => redirect(repository, digest, "valid", shared),
            Some(bytes) => blob(bytes, digest, request),
            None => Answer::error(404, "BLOB_UNKNOWN", "no such blob"),
        },
        Target::Cdn { repository, digest } => cdn(repository, digest, request, shared),
        Target::Tags { repository } => match content.tags(repository) {
            Some(tags) => self::tags(repository, &tags, request),
            None => Answer::error(404, "NAME_UNKNOWN", "no such repository"),
        },
        Target::Referrers { .. } if shared.settings.no_referrers => {
            Answer::new(404, "text/plain", "404 page not found\n")
        }
        Target::Referrers { repository, digest } => {
            let index = content.referrers(repository, digest).to_string();
            Answer::new(200, crate::images::media::OCI_INDEX, index)
        }
        Target::Unknown => Answer::new(404, "text/plain", "404 page not found\n"),
    };
    without_body_for_head(answer, request)
}

fn without_body_for_head(mut answer: Answer, request: &Request) -> Answer {
    if request.is_head() {
        answer.body = Bytes::new();
    }
    answer
}

fn manifest(manifest: Blob) -> Answer {
    let digest = manifest.digest;
    Answer::new(200, &manifest.media_type, manifest.bytes)
        .header("ETag", format!("\"{digest}\""))
        .header("Docker-Content-Digest", digest)
}

/// Where a blob is at the CDN; `state` is `valid` or `expired`.
pub(super) fn redirect(repository: &str, digest: &str, state: &str, shared: &Shared) -> Answer {
    let location = format!("{}/cdn/{repository}/{digest}?signature={state}", shared.cdn_url());
    Answer::new(307, "text/html", "").header("Location", location)
}

fn cdn(repository: &str, digest: &str, request: &Request, shared: &Shared) -> Answer {
    // What a signed URL of S3 does when it also gets an Authorization header.
    if request.headers.get("authorization").is_some() {
        return Answer::new(
            400,
            "application/xml",
            "<Error><Code>InvalidArgument</Code></Error>",
        );
    }
    if request.parameter("signature").as_deref() != Some("valid") {
        return Answer::new(403, "application/xml", "<Error><Code>AccessDenied</Code></Error>");
    }
    match shared.content.blob(repository, digest) {
        Some(bytes) => blob(bytes, digest, request),
        None => Answer::new(404, "application/xml", "<Error><Code>NoSuchKey</Code></Error>"),
    }
}

fn blob(bytes: Bytes, digest: &str, request: &Request) -> Answer {
    let total = bytes.len();
    let answer = match range(request.headers.text("range"), total) {
        Range::Whole => Answer::new(200, "application/octet-stream", bytes),
        Range::Part(from, to) => Answer::new(206, "application/octet-stream", bytes.slice(from..to))
            .header("Content-Range", format!("bytes {from}-{}/{total}", to - 1)),
        Range::Unsatisfiable => Answer::error(416, "RANGE_INVALID", "outside of the blob")
            .header("Content-Range", format!("bytes */{total}")),
    };
    answer
        .header("Accept-Ranges", "bytes")
        .header("ETag", format!("\"{digest}\""))
        .header("Docker-Content-Digest", digest)
}

enum Range {
    Whole,
    Part(usize, usize),
    Unsatisfiable,
}

/// Understands a single range; several, or nonsense, count as none.
fn range(header: &str, total: usize) -> Range {
    let parsed = header.strip_prefix("bytes=").and_then(|r| r.split_once('-'));
    let Some((from, to)) = parsed.filter(|(_, to)| !to.contains(',')) else {
        return Range::Whole;
    };
    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => (from, to.saturating_add(1).min(total)),
        (Ok(from), Err(_)) if to.is_empty() => (from, total),
        (Err(_), Ok(last)) if from.is_empty() => (total.saturating_sub(last), total),
        _ => return Range::Whole,
    };
    if from < to {
        Range::Part(from, to)
    } else {
        Range::Unsatisfiable
    }
}

/// `tags/list` with the specification's pagination.
fn tags(repository: &str, all: &[String], request: &Request) -> Answer {
    let last = request.parameter("last").unwrap_or_default();
    let limit = request
        .parameter("n")
        .and_then(|n| n.parse().ok())
        .unwrap_or(usize::MAX);
    let after: Vec<&String> = all.iter().filter(|tag| **tag > last).collect();
    let page = &after[..after.len().min(limit)];
    let answer = Answer::json(200, &json!({ "name": repository, "tags": page }));
    match page.last() {
        Some(tag) if page.len() < after.len() => answer.header(
            "Link",
            format!("</v2/{repository}/tags/list?n={limit}&last={tag}>; rel=\"next\""),
        ),
        _ => answer,
    }
}
