//! Reading answers: small bodies whole, refusals for what they mean.
//!
//! Promises: nothing is read beyond its limit. Whoever calls bounds it in time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde::Deserialize;
use tokio::time::timeout;

use super::{
    failure::{Failure, Kind},
    transport::kind_of,
};
use crate::retry_after::retry_after;
use crate::{clock::Timestamp, memory::Pool};

/// How much of a refusal is read for its message, and how long it is waited for. Reading it also frees the
/// connection for the next request.
const MESSAGE: usize = 8 << 10;
const MESSAGE_WAIT: Duration = Duration::from_secs(1);

/// How long a document waits for room in the memory budget: the caller's deadline is what really bounds it.
const ROOM: Duration = Duration::from_secs(30);

/// Room is taken in steps of this many bytes for a document that does not say how long it is.
const STEP: usize = 64 << 10;

/// A message of at most `limit` bytes: an error, a token. Few and small, so that nothing covers them.
pub(super) async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, Failure> {
    let mut bytes = BytesMut::with_capacity(announced(&body, limit)?);
    while let Some(data) = more(&mut body, bytes.len(), limit).await? {
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// A document of at most `limit` bytes, which carries its permit from before its first byte is read.
pub(super) async fn document(mut body: Incoming, limit: usize, room: &Pool) -> Result<Bytes, Failure> {
    let announced = announced(&body, limit)?;
    let ours = |full| Failure::new(Kind::Ours, full);
    let mut permit = room.acquire(announced.max(1), ROOM).await.map_err(ours)?;
    let mut bytes = BytesMut::with_capacity(announced);
    while let Some(data) = more(&mut body, bytes.len(), limit).await? {
        let length = bytes.len() + data.len();
        if length > permit.bytes() {
            let step = (length + STEP).min(limit);
            permit.grow_to(step, ROOM).await.map_err(ours)?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(permit.share(bytes.freeze()))
}

/// The least length that a body says it has; an error when that is beyond `limit`.
fn announced(body: &Incoming, limit: usize) -> Result<usize, Failure> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(limit));
    }
    Ok(announced)
}

/// The next bytes of a body of which `have` were read.
async fn more(body: &mut Incoming, have: usize, limit: usize) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match kind_of(&error) {
            Kind::Unreachable => Failure::new(Kind::Broken, error),
            kind => Failure::new(kind, error),
        })?;
        if let Ok(data) = frame.into_data() {
            if have + data.len() > limit {
                return Err(too_large(limit));
            }
            return Ok(Some(data));
        }
    }
    Ok(None)
}

fn too_large(limit: usize) -> Failure {
    Failure::untrustworthy(format!("the answer is larger than {limit} bytes"))
}

/// A body that is of little interest: `None` when it is long or slow.
pub(super) async fn small(body: Incoming) -> Option<Bytes> {
    timeout(MESSAGE_WAIT, collect(body, MESSAGE)).await.ok()?.ok()
}

/// An answer that is not the one hoped for, and what follows from it.
#[derive(Debug, thiserror::Error)]
#[error("{who} answered {status}{}", message.as_ref().map(|m| format!(" ({m})")).unwrap_or_default())]
struct Refusal {
    who: &'static str,
    status: StatusCode,
    message: Option<String>,
}

/// Turns a response that is not a success into a failure. `now` stands in for a missing `Date`.
pub(super) async fn refusal(response: Response<Incoming>, who: &'static str, now: Timestamp) -> Failure {
    let (head, body) = response.into_parts();
    let message = small(body).await.and_then(|bytes| message(&bytes));
    Failure::new(
        kind(head.status, &head.headers, now),
        Refusal {
            who,
            status: head.status,
            message,
        },
    )
}

fn kind(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Kind {
    let wait = || retry_after(headers, now);
    match status.as_u16() {
        404 => Kind::NotFound,
        429 => Kind::Limited(wait()),
        408 => Kind::Broken,
        503 => wait().map_or(Kind::Broken, Kind::Overloaded),
        500..=599 => Kind::Broken,
        // Name invalid, not acceptable, gone, for legal reasons: the registry answered, and will not.
        400..=499 => Kind::Denied,
        _ => Kind::Untrustworthy,
    }
}

/// The specification's error document: the first message in it.
fn message(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Document {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let document: Document = serde_json::from_slice(bytes).ok()?;
    let first = document.errors.into_iter().next()?;
    let text = format!("{}: {}", first.code, first.message);
    Some(text.chars().filter(|c| !c.is_control()).take(200).collect())
}

/// The page of a captive portal, or of a proxy's apology, where something else should be.
pub(super) fn is_page(headers: &HeaderMap) -> bool {
    let essence = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    essence.eq_ignore_ascii_case("text/html") || essence.eq_ignore_ascii_case("application/xhtml+xml")
}

pub(super) fn page() -> Failure {
    Failure::untrustworthy("a web page came instead, as from a captive portal")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_follows_from_them() {
        let mut headers = HeaderMap::new();
        let plain = |status: u16| {
            kind(
                StatusCode::from_u16(status).expect("valid"),
                &HeaderMap::new(),
                Timestamp(0),
            )
        };
        assert_eq!(plain(404), Kind::NotFound);
        assert_eq!(plain(401), Kind::Denied);
        assert_eq!(plain(403), Kind::Denied);
        assert_eq!(plain(429), Kind::Limited(None));
        for status in [408, 500, 502, 503, 504, 599] {
            assert_eq!(plain(status), Kind::Broken, "{status}");
        }
        assert_eq!(plain(204), Kind::Untrustworthy);
        headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("7"));
        let wait = Duration::from_secs(7);
        assert_eq!(
            kind(StatusCode::TOO_MANY_REQUESTS, &headers, Timestamp(0)),
            Kind::Limited(Some(wait))
        );
        assert_eq!(
            kind(StatusCode::SERVICE_UNAVAILABLE, &headers, Timestamp(0)),
            Kind::Overloaded(wait)
        );
    }

    #[test]
    fn a_registrys_own_words_are_kept() {
        let json = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow\ndown"}]}"#;
        assert_eq!(message(json).as_deref(), Some("TOOMANYREQUESTS: slowdown"));
        assert_eq!(message(b"<html>"), None);
        assert_eq!(message(br#"{"errors":[]}"#), None);
    }
}
