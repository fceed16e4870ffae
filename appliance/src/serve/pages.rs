//! The answers that are not the registry's, in the form in which they are sent.

use std::pin::Pin;

use futures_util::{StreamExt as _, stream};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;

use crate::{
    console::AnswerBody,
    delivery::{Body, Line},
    memory::Buffer,
};

/// What stands at the root.
const FRONT: &str = concat!(
    "larder ",
    env!("CARGO_PKG_VERSION"),
    ": a mirror for container images. The registry is at /v2/, the box's state at /api/v1/status, \
     /api/v1/images, /metrics, /healthz and /readyz.\n"
);

const NOTHING: &str = "there is nothing here; the registry is at /v2/\n";

/// A console's answer.
pub(super) fn told(response: Response<AnswerBody>, line: &Line) -> Response<Body> {
    let windows = line.windows.clone();
    response.map(|body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        let length = body.size_hint().exact();
        let frames = stream::unfold(body, |mut body| async move {
            let frame = Pin::new(&mut body).frame().await?;
            let Ok(frame) = frame;
            // Trailers are not sent.
            let data = frame.into_data().unwrap_or_default();
            Some((Ok(Buffer::borrowed(data)), body))
        });
        Body::stream(frames.boxed(), length, windows)
    })
}

/// The root, or a path that nobody knows.
pub(super) fn other<B>(request: &Request<B>) -> Response<Body> {
    let (status, text) = match (request.uri().path(), request.method()) {
        ("/", &Method::GET | &Method::HEAD) => (StatusCode::OK, FRONT),
        ("/", _) => (StatusCode::METHOD_NOT_ALLOWED, "not by this method\n"),
        _ => (StatusCode::NOT_FOUND, NOTHING),
    };
    let body = match *request.method() {
        Method::HEAD => Body::empty(),
        _ => Body::buffer(Buffer::borrowed(text.as_bytes().into())),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::CONTENT_LENGTH, text.len().into());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
