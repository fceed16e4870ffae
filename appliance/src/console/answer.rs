//! Answers, from data to bytes.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde::Serialize;

use super::AnswerBody;
use crate::api::Refusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A whole body of a type. Never stored by anyone: all of it is about now.
pub(super) fn whole(
    status: StatusCode,
    media_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<AnswerBody> {
    let body = body.into();
    let length = body.len();
    let mut response = Response::new(Full::new(body).boxed_unsync());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn text(status: StatusCode, line: &str) -> Response<AnswerBody> {
    whole(status, TEXT, format!("{line}\n"))
}

pub(super) fn json(value: &impl Serialize) -> Response<AnswerBody> {
    match serde_json::to_vec(value) {
        Ok(body) => whole(StatusCode::OK, JSON, body),
        Err(e) => refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("write the answer: {e}"),
        ),
    }
}

pub(super) fn refusal(status: StatusCode, error: &str) -> Response<AnswerBody> {
    let refusal = Refusal {
        error: error.to_owned(),
    };
    // A map of one string cannot fail to be written.
    whole(status, JSON, serde_json::to_vec(&refusal).unwrap_or_default())
}
