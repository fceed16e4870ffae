//! What is sent to us: JSON, bounded.

use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use super::{AnswerBody, BoxError, Facts, answer::refusal};
use crate::{oci::Image, source::chain};

/// More than any reference needs, in bytes.
const BODY_MOST: usize = 16 << 10;

/// The answer to a request that cannot be understood, boxed to keep results small.
pub(super) type Refused = Box<Response<AnswerBody>>;

fn refuse(status: StatusCode, why: &str) -> Refused {
    Box::new(refusal(status, why))
}

/// Reads a request's document.
pub(super) async fn document<T, B>(headers: &HeaderMap, body: B) -> Result<T, Refused>
where
    T: DeserializeOwned,
    B: Body<Error: Into<BoxError>>,
{
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
    serde_json::from_slice(&body.to_bytes())
        .map_err(|e| refuse(StatusCode::BAD_REQUEST, &format!("read the request: {e}")))
}

/// The image that a person means.
pub(super) fn image(reference: &str, facts: &dyn Facts) -> Result<Image, Refused> {
    Image::parse(reference, &facts.default_upstream(), |name| facts.serves(name))
        .map_err(|e| refuse(StatusCode::BAD_REQUEST, &chain(&e)))
}
