//! The OCI face: the pull half of the distribution specification over HTTP.
//!
//! Parses a request into values ([`route`]), asks the mirror, and words the answer: status, headers, ranges,
//! errors. Promises: HEAD and GET agree; every answer has the headers that clients rely on (`CLIENTS` table
//! in ARCHITECTURE.md); an error is the specification's JSON with the true reason. It decides nothing about
//! what is served: no policy, no cache, no upstream.

mod accept;
mod blobs;
mod errors;
mod listings;
mod manifests;
mod range;
mod route;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

pub use errors::ErrorCode;
use errors::RegistryError;
use route::{Resource, Route};

use crate::{
    delivery::{Body, Line},
    memory::Buffer,
    metrics::{Kind, Outcome},
    mirror::{Mirror, Reason},
    oci::Repository,
    source::SourceName,
};

/// How an answer came about, for the access line and the metrics. Travels in the response's extensions.
#[derive(Clone, Debug)]
pub struct Story {
    pub kind: Kind,
    /// What the name in the URL was taken for.
    pub repository: Option<Repository>,
    pub outcome: Option<Outcome>,
    pub source: Option<SourceName>,
    /// Why it was not served, as in `X-Larder-Reason`.
    pub reason: Option<&'static str>,
}

impl Story {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            repository: None,
            outcome: None,
            source: None,
            reason: None,
        }
    }

    /// Whether what was asked for could not be had, through the fault of this box or of an upstream.
    pub fn has_failed(&self) -> bool {
        let are_answers = [Reason::NotFound.word(), Reason::Denied.word()];
        self.reason.is_some_and(|reason| !are_answers.contains(&reason))
    }
}

/// The registry face of a mirror.
#[derive(Clone)]
pub struct Registry {
    mirror: Mirror,
}

/// A request's parts that every answer needs.
struct Asked<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    route: Route,
    line: &'a Line,
}

impl Registry {
    pub fn new(mirror: Mirror) -> Self {
        Self { mirror }
    }

    /// Whether a path is this face's.
    pub fn owns(path: &str) -> bool {
        path == "/v2" || path.starts_with("/v2/")
    }

    /// Answers a request. The body of a request is never read: nothing here takes one.
    pub async fn answer<B>(&self, request: &Request<B>, line: &Line) -> Response<Body> {
        // Before the path is looked at: an upload's path means nothing here, and "unsupported" is the answer.
        let route = match *request.method() {
            Method::GET | Method::HEAD => Route::parse(request.uri().path(), request.uri().query()),
            _ => Err(RegistryError::unsupported(request.method())),
        };
        let kind = route.as_ref().map_or(Kind::Other, Route::kind);
        let answered = match route {
            Ok(route) => {
                let asked = Asked {
                    method: request.method(),
                    headers: request.headers(),
                    route,
                    line,
                };
                self.route(asked).await
            }
            Err(error) => Err(error),
        };
        let mut response = answered.unwrap_or_else(|error| error.respond(kind, request.method()));
        let version = HeaderValue::from_static("registry/2.0");
        response
            .headers_mut()
            .insert("docker-distribution-api-version", version);
        response
    }

    /// Which repository a request means.
    fn repository(&self, asked: &Asked<'_>, name: &str) -> Result<Repository, RegistryError> {
        let resolved = self.mirror.resolve(name, asked.route.ns.as_deref());
        resolved.map_err(|unresolved| RegistryError::unresolved(&unresolved))
    }

    async fn route(&self, asked: Asked<'_>) -> Result<Response<Body>, RegistryError> {
        match &asked.route.resource {
            Resource::Base => Ok(base(asked.method)),
            Resource::Manifest { name, reference } => self.manifest(&asked, name, reference).await,
            Resource::Blob { name, digest } => self.blob(&asked, name, digest).await,
            Resource::Tags { name, page } => self.tags(&asked, name, page).await,
            Resource::Referrers {
                name,
                digest,
                artifact_type,
            } => {
                self.referrers(&asked, name, digest, artifact_type.as_deref())
                    .await
            }
        }
    }
}

fn base(method: &Method) -> Response<Body> {
    let mut response = Response::new(content(method, b"{}"));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from_static("2"));
    response.extensions_mut().insert(Story::of(Kind::Ping));
    response
}

/// Static content for GET, nothing for HEAD.
fn content(method: &Method, bytes: &'static [u8]) -> Body {
    if *method == Method::HEAD {
        Body::empty()
    } else {
        Body::buffer(Buffer::borrowed(bytes.into()))
    }
}

/// Puts what every content answer carries into a response's headers.
fn tell(response: &mut Response<Body>, asked: &Asked<'_>, story: Story) {
    let headers = response.headers_mut();
    if let Some(ns) = &asked.route.ns
        && let Ok(value) = HeaderValue::from_str(ns)
    {
        headers.insert("oci-namespace", value);
    }
    if let Some(outcome) = story.outcome {
        headers.insert("x-larder-cache", HeaderValue::from_static(header_word(outcome)));
    }
    if let Some(source) = &story.source
        && let Ok(value) = HeaderValue::from_str(source.as_str())
    {
        headers.insert("x-larder-source", value);
    }
    response.extensions_mut().insert(story);
}

/// `X-Larder-Cache` knows five words; a revalidated answer is a hit to whoever asked.
const fn header_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hit | Outcome::Revalidated => "hit",
        Outcome::Miss => "miss",
        Outcome::Fill => "fill",
        Outcome::Stale => "stale",
        Outcome::Pass => "pass",
    }
}

/// Whether `If-None-Match` names this entity. Tags are compared weakly, as RFC 9110 (13.1.2) asks.
fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| {
            value
                .split(',')
                .map(str::trim)
                .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
        })
}

fn status(response: &mut Response<Body>, status: StatusCode) {
    *response.status_mut() = status;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_or_not_allowed_is_an_answer_and_no_failure() {
        let has_failed = |reason| {
            let story = Story {
                reason,
                ..Story::of(Kind::Manifest)
            };
            story.has_failed()
        };
        assert!(!has_failed(None) && !has_failed(Some("not-found")) && !has_failed(Some("denied")));
        assert!(has_failed(Some("upstream-unavailable")) && has_failed(Some("busy")));
    }
}
