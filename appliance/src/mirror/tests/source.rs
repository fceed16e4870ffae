//! A source that does what a test says, chunk by chunk.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    oci::{Digest, Manifest, MediaType, Reference, RepositoryPath, Tag},
    source::{BlobStream, Fault, Health, Resolved, Source, SourceError, SourceName},
};

/// Bytes of one chunk.
pub(super) const CHUNK: usize = 64 << 10;

/// What happens to a blob's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// Cut after so many bytes, each time.
    CutAt(usize),
    /// Silent after so many bytes, until the progress deadline ends it.
    SilentAt(usize),
    /// One byte at this place is wrong.
    WrongAt(usize),
    /// No source sends anything.
    Refuse(Fault),
}

#[derive(Debug)]
pub(super) struct Scripted {
    name: SourceName,
    pub(super) blobs: Mutex<HashMap<Digest, Bytes>>,
    /// Blobs that only one repository has.
    private: Mutex<HashMap<(String, Digest), Bytes>>,
    pub(super) tags: Mutex<HashMap<String, Manifest>>,
    pub(super) trouble: Mutex<Trouble>,
    pub(super) health: Mutex<Health>,
    /// Chunks that may leave.
    pub(super) gate: Arc<Semaphore>,
    pub(super) blob_gets: AtomicUsize,
    pub(super) manifest_gets: AtomicUsize,
    pub(super) resolves: AtomicUsize,
}

impl Scripted {
    pub(super) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: SourceName::new(name),
            blobs: Mutex::default(),
            private: Mutex::default(),
            tags: Mutex::default(),
            trouble: Mutex::new(Trouble::None),
            health: Mutex::new(Health::Closed {
                answered: Some(Duration::ZERO),
            }),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            blob_gets: AtomicUsize::new(0),
            manifest_gets: AtomicUsize::new(0),
            resolves: AtomicUsize::new(0),
        })
    }

    pub(super) fn hold(&self, bytes: Bytes) -> Digest {
        let digest = super::digest(&bytes);
        self.blobs.lock().insert(digest, bytes);
        digest
    }

    pub(super) fn only_in(&self, repository: &str, digest: Digest, bytes: Bytes) {
        self.private.lock().insert((repository.to_owned(), digest), bytes);
    }

    fn find_blob(&self, repository: &RepositoryPath, digest: &Digest) -> Result<Bytes, SourceError> {
        self.refused()?;
        let private = self
            .private
            .lock()
            .get(&(repository.as_str().to_owned(), *digest))
            .cloned();
        let found = private.or_else(|| self.blobs.lock().get(digest).cloned());
        found.ok_or_else(|| self.error(Fault::NotFound))
    }

    pub(super) fn tag(&self, tag: &str, json: &str) -> Manifest {
        let bytes = Bytes::from(json.to_owned());
        let media_type: MediaType = MediaType::OCI_MANIFEST.parse().expect("valid");
        let manifest = Manifest {
            digest: super::digest(&bytes),
            media_type,
            bytes,
        };
        self.tags.lock().insert(tag.to_owned(), manifest.clone());
        manifest
    }

    pub(super) fn make(&self, trouble: Trouble) {
        *self.trouble.lock() = trouble;
    }

    fn error(&self, fault: Fault) -> SourceError {
        SourceError {
            operation: "play",
            subject: "a fault".into(),
            source_name: self.name.clone(),
            fault,
            cause: None,
        }
    }

    fn refused(&self) -> Result<(), SourceError> {
        match *self.trouble.lock() {
            Trouble::Refuse(fault) => Err(self.error(fault)),
            _ => Ok(()),
        }
    }

    fn find(&self, reference: &Reference) -> Result<Manifest, SourceError> {
        self.refused()?;
        let tags = self.tags.lock();
        let found = match reference {
            Reference::Tag(tag) => tags.get(tag.as_str()),
            Reference::Digest(digest) => tags.values().find(|manifest| manifest.digest == *digest),
        };
        found.cloned().ok_or_else(|| self.error(Fault::NotFound))
    }
}

impl Source for Scripted {
    fn name(&self) -> &SourceName {
        &self.name
    }

    fn health(&self) -> Health {
        *self.health.lock()
    }

    fn resolve<'a>(
        &'a self,
        _: &'a RepositoryPath,
        reference: &'a Reference,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Resolved, SourceError>> {
        self.resolves.fetch_add(1, SeqCst);
        async move {
            if *self.trouble.lock() == Trouble::SilentAt(0) {
                tokio::time::sleep_until(deadline).await;
                return Err(self.error(Fault::Silent));
            }
            let manifest = self.find(reference)?;
            Ok(Resolved {
                digest: manifest.digest,
                media_type: manifest.media_type,
                size: None,
            })
        }
        .boxed()
    }

    fn manifest<'a>(
        &'a self,
        _: &'a RepositoryPath,
        reference: &'a Reference,
        _: Instant,
    ) -> BoxFuture<'a, Result<Manifest, SourceError>> {
        self.manifest_gets.fetch_add(1, SeqCst);
        async move { self.find(reference) }.boxed()
    }

    fn stat_blob<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        digest: &'a Digest,
        _: Instant,
    ) -> BoxFuture<'a, Result<Option<u64>, SourceError>> {
        async move {
            self.find_blob(repository, digest)
                .map(|bytes| Some(bytes.len() as u64))
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        repository: &'a RepositoryPath,
        digest: &'a Digest,
        from: u64,
        _: Instant,
    ) -> BoxFuture<'a, Result<BlobStream, SourceError>> {
        self.blob_gets.fetch_add(1, SeqCst);
        async move {
            let bytes = self.find_blob(repository, digest)?;
            let (trouble, gate) = (*self.trouble.lock(), self.gate.clone());
            let (cut, silent) = (self.error(Fault::Unavailable), self.error(Fault::Silent));
            let size = bytes.len() as u64;
            let chunks = stream::unfold(
                (usize::try_from(from).expect("small"), Some(())),
                move |(at, live)| {
                    let (bytes, gate, cut, silent) =
                        (bytes.clone(), gate.clone(), cut.clone(), silent.clone());
                    async move {
                        live?;
                        if at >= bytes.len() {
                            return None;
                        }
                        gate.acquire().await.expect("never closed").forget();
                        let mut end = (at + CHUNK).min(bytes.len());
                        match trouble {
                            Trouble::CutAt(place) if at >= place => return Some((Err(cut), (at, None))),
                            Trouble::SilentAt(place) if at >= place => {
                                tokio::time::sleep(Duration::from_millis(50)).await;
                                return Some((Err(silent), (at, None)));
                            }
                            Trouble::CutAt(place) | Trouble::SilentAt(place) => end = end.min(place),
                            _ => {}
                        }
                        let mut chunk = bytes.slice(at..end).to_vec();
                        if let Trouble::WrongAt(place) = trouble
                            && (at..end).contains(&place)
                        {
                            chunk[place - at] ^= 1;
                        }
                        Some((Ok(Bytes::from(chunk)), (end, Some(()))))
                    }
                },
            );
            Ok(BlobStream {
                start: from,
                size: Some(size),
                chunks: chunks.boxed(),
            })
        }
        .boxed()
    }

    fn tags<'a>(&'a self, _: &'a RepositoryPath, _: Instant) -> BoxFuture<'a, Result<Vec<Tag>, SourceError>> {
        async move {
            self.refused()?;
            Ok(self
                .tags
                .lock()
                .keys()
                .map(|tag| tag.parse().expect("valid"))
                .collect())
        }
        .boxed()
    }

    fn referrers<'a>(
        &'a self,
        _: &'a RepositoryPath,
        _: &'a Digest,
        _: Instant,
    ) -> BoxFuture<'a, Result<Bytes, SourceError>> {
        async move { self.refused().map(|()| Bytes::from_static(b"{\"manifests\":[]}")) }.boxed()
    }
}
