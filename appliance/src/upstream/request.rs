//! One request to a registry, through its token dance and its redirects, to the answer that counts.
//!
//! Promises: `Authorization` is sent to the endpoint's own origin and to no other; a URL of a CDN that has
//! expired is asked for anew at the registry, once; ends by its deadline. Must not know: what the answer
//! should look like.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri,
    header::{ACCEPT, AUTHORIZATION, RANGE},
};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    answer,
    auth::{Auth, Authorization},
    failure::{Failure, Kind},
    ledger::Ledger,
    operation::Operation,
    record::Record,
    redirect::{Trail, is_redirect},
    transport::{Head, Line, Transport},
};
use crate::dial::Origin;
use crate::oci::RepositoryPath;

/// How often a registry may say 401 to one request: to no token, to one that ran out, to one for another
/// scope.
const CHALLENGES: usize = 3;

/// What is asked for.
pub(super) struct Request<'a> {
    pub(super) operation: Operation,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) repository: &'a RepositoryPath,
    pub(super) accept: Option<&'static str>,
    /// The first byte wanted.
    pub(super) from: u64,
    pub(super) deadline: Instant,
}

/// The answer that counts: no challenge, no redirect.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) line: Line,
    /// Where it was had, for references within it.
    pub(super) uri: Uri,
}

/// Who gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Registry,
    /// A host that the registry redirected to.
    Elsewhere,
}

/// What an endpoint asks with.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) home: &'a Origin,
    pub(super) transport: &'a Transport,
    pub(super) auth: &'a Auth,
    pub(super) record: &'a Record,
}

impl Asker<'_> {
    pub(super) async fn ask(self, request: &Request<'_>) -> Result<Answer, Failure> {
        for _ in 0..2 {
            if let Some(answer) = self.travel(request).await? {
                return Ok(answer);
            }
        }
        Err(Failure::because(
            Kind::Broken,
            "the registry redirects to where the content is not, twice",
        ))
    }

    /// Follows redirects to their end. `None` when the host there does not know the URL, or not any more.
    async fn travel(self, request: &Request<'_>) -> Result<Option<Answer>, Failure> {
        let mut authorization = self
            .auth
            .ahead(self.transport, request.repository, request.deadline)
            .await?;
        let mut trail = Trail::from(request.uri.clone());
        let mut challenges = 0;
        loop {
            let by = self.by(trail.here());
            let authorize = authorization.as_ref().filter(|_| by == By::Registry);
            let Head {
                response,
                waited,
                line,
            } = self
                .transport
                .exchange(
                    request.operation,
                    request.method.clone(),
                    trail.here(),
                    headers(request, authorize),
                    request.deadline,
                )
                .await?;
            let ledger = match by {
                By::Registry => Ledger::of(response.headers()),
                By::Elsewhere => None,
            };
            self.record.head(waited, ledger);
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && by == By::Registry && challenges < CHALLENGES {
                challenges += 1;
                let head = drain(response).await;
                let next = self.auth.after(
                    self.transport,
                    request.repository,
                    &head,
                    authorize,
                    request.deadline,
                );
                authorization = Some(next.await?);
            } else if is_redirect(status) {
                let head = drain(response).await;
                trail
                    .follow(&head)
                    .map_err(|bad| Failure::new(Kind::Untrustworthy, bad))?;
            } else if by == By::Elsewhere && has_expired(status) {
                drain(response).await;
                return Ok(None);
            } else {
                return Ok(Some(Answer {
                    response,
                    line,
                    uri: trail.here().clone(),
                }));
            }
        }
    }

    fn by(self, uri: &Uri) -> By {
        match Origin::of(uri) {
            Some(origin) if origin == *self.home => By::Registry,
            _ => By::Elsewhere,
        }
    }
}

/// What a CDN says of a signature that ran out: 403 mostly, 400 and 401 in some clouds, 404 and 410 of
/// content that has moved. Not 408, 416 and 429, which say something of their own.
fn has_expired(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 401 | 403 | 404 | 410)
}

fn headers(
    request: &Request<'_>,
    authorization: Option<&Authorization>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let accept = request
        .accept
        .map(|accept| (ACCEPT, HeaderValue::from_static(accept)));
    let range = (request.from > 0)
        .then(|| HeaderValue::try_from(format!("bytes={}-", request.from)).ok())
        .flatten()
        .map(|range| (RANGE, range));
    let authorization = authorization.map(|known| (AUTHORIZATION, known.header.clone()));
    accept.into_iter().chain(range).chain(authorization)
}

/// Reads what is left of a small answer, so that its connection can be used for the next request.
async fn drain(response: Response<Incoming>) -> HeaderMap {
    let (head, body) = response.into_parts();
    let _: Option<Bytes> = answer::small(body).await;
    head.headers
}
