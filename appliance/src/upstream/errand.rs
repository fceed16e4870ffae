//! What the operations ask with: an endpoint, a repository, a deadline.
//!
//! Promises: those of [`Asker`], which it puts the endpoint's parts into. Must not know: what is asked for.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Uri};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    answer,
    endpoint::Endpoint,
    failure::Failure,
    operation::Operation,
    request::{Answer, Asker, Request},
};
use crate::oci::RepositoryPath;

/// One call of one operation.
#[derive(Clone, Copy)]
pub(super) struct Errand<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) operation: Operation,
    pub(super) repository: &'a RepositoryPath,
    pub(super) deadline: Instant,
}

impl Errand<'_> {
    /// Asks for something below the repository: `manifests/latest`.
    pub(super) async fn ask(
        self,
        method: Method,
        below: &str,
        accept: Option<&'static str>,
        from: u64,
    ) -> Result<Answer, Failure> {
        let uri = self
            .endpoint
            .url
            .at(&format!("{}/{below}", self.repository))
            .map_err(|_| Failure::untrustworthy("the names do not make a URL"))?;
        self.ask_at(method, uri, accept, from).await
    }

    /// Asks for a URL that the registry named.
    pub(super) async fn ask_at(
        self,
        method: Method,
        uri: Uri,
        accept: Option<&'static str>,
        from: u64,
    ) -> Result<Answer, Failure> {
        let endpoint = self.endpoint;
        let asker = Asker {
            home: endpoint.url.origin(),
            transport: &endpoint.transport,
            auth: &endpoint.auth,
            record: &endpoint.record,
        };
        asker
            .ask(&Request {
                operation: self.operation,
                method,
                uri,
                repository: self.repository,
                accept,
                from,
                deadline: self.deadline,
            })
            .await
    }

    /// The body of a success, whole, at most `limit` bytes, under the memory budget.
    pub(super) async fn document(self, body: Incoming, limit: usize) -> Result<Bytes, Failure> {
        answer::document(body, limit, &self.endpoint.room).await
    }

    /// What follows from an answer that is no success.
    pub(super) async fn refusal(self, answer: Answer) -> Failure {
        answer::refusal(
            answer.response,
            "the registry",
            self.endpoint.transport.clock.now(),
        )
        .await
    }
}

/// A header that is a number.
pub(super) fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}
