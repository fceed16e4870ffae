//! Blobs: whether one is there, and its bytes from a given one on.
//!
//! Promises: an answer starts where it says it starts; a page or an encoded body is not taken for a blob. Must
//! not know: whether the bytes are right; whoever takes them hashes them.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode, header};
use hyper::body::Incoming;

use super::{
    answer::{is_page, page},
    body::Transfer,
    endpoint::{Errand, number},
    failure::Failure,
    record::Pass,
    transport::Line,
};
use crate::{
    oci::Digest,
    source::{BlobStream, SourceName},
};

/// Whether the blob is there, and its size in bytes.
pub(super) async fn stat(errand: Errand<'_>, digest: &Digest) -> Result<Option<u64>, Failure> {
    let answer = errand
        .ask(Method::HEAD, &format!("blobs/{digest}"), None, 0)
        .await?;
    if answer.response.status() != StatusCode::OK {
        return Err(errand.refusal(answer).await);
    }
    let headers = answer.response.headers();
    if is_page(headers) {
        return Err(page());
    }
    Ok(number(headers, header::CONTENT_LENGTH))
}

/// A blob whose head has come.
pub(super) struct Opened {
    incoming: Incoming,
    line: Line,
    extent: Extent,
}

/// Which part of the blob comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: u64,
    /// Bytes to come.
    length: Option<u64>,
    /// Bytes of the whole blob.
    size: Option<u64>,
}

/// Asks for the bytes from `from` to the end.
pub(super) async fn open(errand: Errand<'_>, digest: &Digest, from: u64) -> Result<Opened, Failure> {
    let answer = errand
        .ask(Method::GET, &format!("blobs/{digest}"), None, from)
        .await?;
    let status = answer.response.status();
    if status == StatusCode::RANGE_NOT_SATISFIABLE && from > 0 {
        return Err(Failure::untrustworthy(format!(
            "the blob is said to end before byte {from}"
        )));
    }
    if !matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Err(errand.refusal(answer).await);
    }
    let line = answer.line;
    let (head, incoming) = answer.response.into_parts();
    let extent = extent(status, &head.headers, from)?;
    Ok(Opened {
        incoming,
        line,
        extent,
    })
}

impl Opened {
    pub(super) fn stream(
        self,
        pass: Pass,
        subject: Arc<str>,
        name: SourceName,
        progress: Duration,
    ) -> BlobStream {
        BlobStream {
            start: self.extent.start,
            size: self.extent.size,
            chunks: Box::pin(Transfer::new(
                self.incoming,
                self.extent.length,
                self.line,
                pass,
                subject,
                name,
                progress,
            )),
        }
    }
}

fn extent(status: StatusCode, headers: &HeaderMap, from: u64) -> Result<Extent, Failure> {
    if is_page(headers) {
        return Err(page());
    }
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return Err(Failure::untrustworthy(
            "the blob comes encoded, though it was not to be",
        ));
    }
    let length = number(headers, header::CONTENT_LENGTH);
    if status == StatusCode::OK {
        return Ok(Extent {
            start: 0,
            length,
            size: length,
        });
    }
    let wrong = || Failure::untrustworthy(format!("the part that comes is not the one from byte {from} on"));
    let range = headers
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .and_then(content_range)
        .ok_or_else(wrong)?;
    let expected = (range.last - range.first).checked_add(1).ok_or_else(wrong)?;
    let to_the_end = range.size.is_none_or(|size| range.last + 1 == size);
    let agrees = length.is_none_or(|length| length == expected);
    if range.first != from || !to_the_end || !agrees {
        return Err(wrong());
    }
    Ok(Extent {
        start: from,
        length: Some(expected),
        size: range.size,
    })
}

#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    size: Option<u64>,
}

/// `bytes 200-1023/1024`, the size possibly `*`.
fn content_range(text: &str) -> Option<ContentRange> {
    let (range, size) = text.trim().strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let size = match size.trim() {
        "*" => None,
        size => Some(size.parse().ok()?),
    };
    let in_order = first <= last && last < size.unwrap_or(u64::MAX);
    in_order.then_some(ContentRange { first, last, size })
}

#[cfg(test)]
#[path = "tests/blob.rs"]
mod tests;
