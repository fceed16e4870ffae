//! An endpoint of a registry as a source of content.
//!
//! Promises: those of [`Source`]; a call that its breaker refuses costs nothing; every call that was let in is
//! accounted for. Must not know: the other endpoints, the cache.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, timeout_at};

use super::{
    auth::Auth,
    blob,
    errand::Errand,
    failure::Failure,
    health::Failing,
    ledger::Ledger,
    manifest,
    operation::Operation,
    record::{LastError, Pass, Record},
    referrers,
    settings::EndpointUrl,
    tags,
    transport::Transport,
};
use crate::dial::{Families, Family, FamilyHealth};
use crate::{
    memory::Pool,
    oci::{Digest, Manifest, Reference, RepositoryPath, Tag, UpstreamName},
    source::{BlobStream, Health, Resolved, Source, SourceError, SourceName},
};

/// One endpoint of one upstream.
pub struct Endpoint {
    pub(super) upstream: UpstreamName,
    pub(super) name: SourceName,
    pub(super) url: EndpointUrl,
    pub(super) transport: Arc<Transport>,
    /// For documents that are held whole.
    pub(super) room: Pool,
    pub(super) families: Arc<Families>,
    pub(super) auth: Auth,
    pub(super) record: Arc<Record>,
}

/// What there is to tell about an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    pub upstream: UpstreamName,
    pub name: SourceName,
    pub health: Health,
    pub last_error: Option<LastError>,
    /// How long ago it last answered.
    pub answered: Option<Duration>,
    /// Whether and since when its calls fail.
    pub failing: Option<Failing>,
    /// Smoothed time to the head of a response.
    pub latency: Option<Duration>,
    pub ipv4: FamilyHealth,
    pub ipv6: FamilyHealth,
    pub ledger: Option<Ledger>,
    /// Bytes of blobs received. What else came over the wire is in [`Usage`](super::Usage).
    pub wan_bytes: u64,
    /// Calls that were let through.
    pub requests: u64,
    /// Failures by the words of [`Fault::word`](crate::source::Fault::word).
    pub faults: Vec<(&'static str, u64)>,
}

impl Endpoint {
    pub fn status(&self) -> EndpointStatus {
        let now = Instant::now();
        let reading = self.record.read(now);
        let family = |family| self.families.health(&self.url.origin().host, family, now);
        EndpointStatus {
            upstream: self.upstream.clone(),
            name: self.name.clone(),
            health: reading.health,
            last_error: reading.last_error,
            answered: reading.answered,
            failing: reading.failing,
            latency: reading.latency,
            ipv4: family(Family::V4),
            ipv6: family(Family::V6),
            ledger: reading.ledger,
            wan_bytes: reading.wan_bytes,
            requests: reading.requests,
            faults: reading.faults,
        }
    }

    /// Runs one call: through the breaker, within the deadline, into the book.
    async fn call<'a, T>(
        &'a self,
        errand: Errand<'a>,
        subject: Arc<str>,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<(T, Pass), SourceError> {
        let tell = |failure: Failure| failure.tell(errand.operation, &subject, &self.name);
        let pass = self
            .record
            .admit(errand.operation, Instant::now())
            .map_err(tell)?;
        let result = timeout_at(errand.deadline, work)
            .await
            .unwrap_or_else(|_| Err(Failure::silent()));
        match result {
            Ok(value) => {
                pass.answered();
                Ok((value, pass))
            }
            Err(failure) => {
                pass.failed(&failure);
                Err(tell(failure))
            }
        }
    }

    fn errand<'a>(
        &'a self,
        operation: Operation,
        repository: &'a RepositoryPath,
        deadline: Instant,
    ) -> Errand<'a> {
        Errand {
            endpoint: self,
            operation,
            repository,
            deadline,
        }
    }
}

impl Source for Endpoint {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn health(&self) -> Health {
        self.record.health(Instant::now())
    }

    fn resolve<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        reference: &'a Reference,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Resolved, SourceError>> {
        let errand = self.errand(Operation::Resolve, repository, deadline);
        async move {
            let work = manifest::resolve(errand, reference);
            let called = self.call(errand, named(repository, reference), work);
            called.await.map(|(resolved, _)| resolved)
        }
        .boxed()
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        reference: &'a Reference,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Manifest, SourceError>> {
        let errand = self.errand(Operation::Manifest, repository, deadline);
        async move {
            let work = manifest::fetch(errand, reference);
            let called = self.call(errand, named(repository, reference), work);
            called.await.map(|(manifest, _)| manifest)
        }
        .boxed()
    }

    fn stat_blob<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        digest: &'a Digest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Option<u64>, SourceError>> {
        let errand = self.errand(Operation::StatBlob, repository, deadline);
        async move {
            let work = blob::stat(errand, digest);
            let called = self.call(errand, content(repository, digest), work);
            called.await.map(|(size, _)| size)
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        digest: &'a Digest,
        from: u64,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<BlobStream, SourceError>> {
        let errand = self.errand(Operation::Blob, repository, deadline);
        async move {
            let subject = content(repository, digest);
            let work = blob::open(errand, digest, from);
            let (opened, pass) = self.call(errand, subject.clone(), work).await?;
            Ok(opened.stream(pass, subject, self.name.clone(), self.transport.progress))
        }
        .boxed()
    }

    fn tags<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Vec<Tag>, SourceError>> {
        let errand = self.errand(Operation::Tags, repository, deadline);
        async move {
            let called = self.call(errand, repository.as_str().into(), tags::list(errand));
            called.await.map(|(tags, _)| tags)
        }
        .boxed()
    }

    fn referrers<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        subject: &'a Digest,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Bytes, SourceError>> {
        let errand = self.errand(Operation::Referrers, repository, deadline);
        async move {
            let work = referrers::list(errand, subject);
            let called = self.call(errand, content(repository, subject), work);
            called.await.map(|(index, _)| index)
        }
        .boxed()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({} at {})", self.upstream, self.name)
    }
}

/// `library/alpine:3.20`, `library/alpine@sha256:…`
fn named(repository: &RepositoryPath, reference: &Reference) -> Arc<str> {
    match reference {
        Reference::Tag(tag) => format!("{repository}:{tag}").into(),
        Reference::Digest(digest) => content(repository, digest),
    }
}

fn content(repository: &RepositoryPath, digest: &Digest) -> Arc<str> {
    format!("{repository}@{digest}").into()
}
