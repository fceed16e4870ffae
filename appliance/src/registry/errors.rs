//! Errors as the specification words them.

use http::{HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;

use super::Story;
use crate::{
    delivery::Body,
    memory::Buffer,
    metrics::Kind,
    mirror::{Reason, Unresolved, Unserved},
};

/// The specification's codes that a mirror has use for, and distribution's `UNAVAILABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    BlobUnknown,
    Denied,
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    PaginationNumberInvalid,
    RangeInvalid,
    Unavailable,
    Unsupported,
}

impl ErrorCode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::Denied => "DENIED",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::RangeInvalid => "SIZE_INVALID",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unsupported => "UNSUPPORTED",
        }
    }
}

/// An answer that is an error.
#[derive(Debug)]
pub(super) struct RegistryError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    reason: Option<&'static str>,
    extra: Option<(header::HeaderName, HeaderValue)>,
}

impl RegistryError {
    fn new(status: StatusCode, code: ErrorCode, message: String) -> Self {
        Self {
            status,
            code,
            message,
            reason: None,
            extra: None,
        }
    }

    pub(super) fn bad_request(code: ErrorCode, message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn no_such_endpoint(path: &str) -> Self {
        let path: String = path.chars().take(300).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            ErrorCode::Unsupported,
            format!("`{path}` is no endpoint of this registry"),
        )
    }

    /// Push, delete and whatever else changes something.
    pub(super) fn unsupported(method: &Method) -> Self {
        let message = format!("{method} is not supported: this is a mirror, it can be pulled from");
        Self {
            extra: Some((header::ALLOW, HeaderValue::from_static("GET, HEAD"))),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message)
        }
    }

    /// A range that the content does not have.
    pub(super) fn range(size: u64) -> Self {
        let range = HeaderValue::from_str(&format!("bytes */{size}"));
        Self {
            extra: range.ok().map(|value| (header::CONTENT_RANGE, value)),
            ..Self::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                ErrorCode::RangeInvalid,
                format!("the range lies outside of the blob's {size} bytes"),
            )
        }
    }

    pub(super) fn internal(message: String) -> Self {
        Self {
            reason: Some("internal"),
            extra: Some((header::RETRY_AFTER, HeaderValue::from_static("5"))),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
        }
    }

    pub(super) fn unresolved(unresolved: &Unresolved) -> Self {
        match unresolved {
            // 404: the client goes on to the registry itself at once.
            Unresolved::Upstream(_) => Self::new(
                StatusCode::NOT_FOUND,
                ErrorCode::NameUnknown,
                unresolved.to_string(),
            ),
            Unresolved::Name(_) => Self::bad_request(ErrorCode::NameInvalid, unresolved.to_string()),
        }
    }

    /// What the mirror cannot serve. Clients go on at once after a 404, retry a 5xx and hang on silence, so
    /// it is a 404, whatever the upstream said; 503 only when this box itself is short of something.
    pub(super) fn unserved(unserved: &Unserved, unknown: ErrorCode) -> Self {
        let (status, code) = match unserved.reason {
            Reason::Busy { .. } => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
            Reason::Denied => (StatusCode::NOT_FOUND, ErrorCode::Denied),
            _ => (StatusCode::NOT_FOUND, unknown),
        };
        let extra = match unserved.reason {
            Reason::Busy { retry_after } => Some((
                header::RETRY_AFTER,
                HeaderValue::from(retry_after.as_secs().max(1)),
            )),
            _ => None,
        };
        Self {
            reason: Some(unserved.reason.word()),
            extra,
            ..Self::new(status, code, unserved.to_string())
        }
    }

    pub(super) fn respond(self, kind: Kind, method: &Method) -> Response<Body> {
        let detail = self.reason.map(|reason| json!({ "reason": reason }));
        let error =
            json!({ "errors": [{ "code": self.code.as_str(), "message": self.message, "detail": detail }] });
        let text = error.to_string();
        let length = HeaderValue::from(text.len());
        let body = match *method {
            Method::HEAD => Body::empty(),
            _ => Body::buffer(Buffer::borrowed(text.into())),
        };
        let mut response = Response::new(body);
        super::status(&mut response, self.status);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_LENGTH, length);
        if let Some(reason) = self.reason {
            headers.insert("x-larder-reason", HeaderValue::from_static(reason));
        }
        if let Some((name, value)) = self.extra {
            headers.insert(name, value);
        }
        response.extensions_mut().insert(Story {
            reason: self.reason,
            ..Story::of(kind)
        });
        response
    }
}
