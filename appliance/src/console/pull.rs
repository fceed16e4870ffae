//! `POST /api/v1/pull`: from a body to an image, and from events to lines.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Limited, StreamBody};

use super::{AnswerBody, BoxError, Facts, answer::refusal};
use crate::{
    api::{PullEvent, PullRequest},
    oci::{Image, Platform},
    source::chain,
};

/// More than any reference needs, in bytes.
const BODY_MOST: usize = 16 << 10;

/// What a request wants pulled, or the answer that says why it cannot be.
pub(super) async fn wanted<B>(
    headers: &HeaderMap,
    body: B,
    facts: &dyn Facts,
) -> Result<(Image, Option<Platform>), Box<Response<AnswerBody>>>
where
    B: Body<Error: Into<BoxError>>,
{
    let refuse = |status, why: &str| Box::new(refusal(status, why));
    // A page of a stranger can make a browser post text or a form here, but not JSON.
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    if media_type.is_none_or(|value| value.split(';').next() != Some("application/json")) {
        return Err(refuse(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON, with the content type application/json",
        ));
    }
    let body = Limited::new(body, BODY_MOST)
        .collect()
        .await
        .map_err(|e| refuse(StatusCode::BAD_REQUEST, &format!("read the request: {e}")))?;
    let request: PullRequest = serde_json::from_slice(&body.to_bytes())
        .map_err(|e| refuse(StatusCode::BAD_REQUEST, &format!("read the request: {e}")))?;
    let image = Image::parse(&request.reference, &facts.default_upstream(), |name| {
        facts.serves(name)
    })
    .map_err(|e| refuse(StatusCode::BAD_REQUEST, &chain(&e)))?;
    Ok((image, request.platform))
}

/// Events as lines of JSON, as they come.
pub(super) fn lines(events: BoxStream<'static, PullEvent>) -> Response<AnswerBody> {
    let lines = events.map(|event| {
        // An event is a flat object of text and numbers: it can always be written.
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Ok(Frame::data(Bytes::from(line)))
    });
    let mut response = Response::new(StreamBody::new(lines).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
