//! Blobs: from the cache, from a fill, or passed through; and whether a repository may have them.

use std::{fs::File, sync::Arc};

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    Mirror, Outcome, Unserved,
    flights::Flight,
    manifest::{LAST_WORD, STORE_PATIENCE},
    outset::{Cargo, Departed, Outset},
    own::{OWN_BLOB, own_blob},
    route::Route,
};
use crate::{
    cache::{Content, Lease, Presence},
    delivery::{Growth, Onward},
    oci::{Digest, Reference, Repository},
    source::{SourceName, chain},
};

/// A blob that can be served.
#[derive(Debug)]
pub struct BlobAnswer {
    pub content: BlobContent,
    pub outcome: Outcome,
    /// Keeps the cache from letting go of it: to be held until its last byte is sent.
    pub lease: Option<Lease>,
    /// Whence, when it is not from the cache.
    pub source: Option<SourceName>,
}

/// Where a blob's bytes are.
#[derive(Debug)]
pub enum BlobContent {
    Inline(Bytes),
    /// All of it.
    File {
        file: Arc<File>,
        size: u64,
    },
    /// As it comes.
    Growing {
        file: Arc<File>,
        size: Option<u64>,
        growth: Arc<Growth>,
    },
    /// Not here and not to be here.
    Passing {
        size: Option<u64>,
        onward: Arc<dyn Onward>,
    },
}

impl BlobContent {
    /// In bytes, where known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Inline(bytes) => Some(bytes.len() as u64),
            Self::File { size, .. } => Some(*size),
            Self::Growing { size, .. } | Self::Passing { size, .. } => *size,
        }
    }
}

impl From<Content> for BlobContent {
    fn from(content: Content) -> Self {
        match content {
            Content::Inline(bytes) => Self::Inline(bytes),
            Content::File(blob) => Self::File {
                file: blob.file,
                size: blob.size,
            },
        }
    }
}

impl Mirror {
    /// A blob for a client that will read it. Starts the fill when it is not here.
    pub async fn blob(&self, repository: &Repository, digest: &Digest) -> Result<BlobAnswer, Unserved> {
        if *digest == own_blob() {
            return self.own(repository).await;
        }
        let (_, route) = self.rules().upstreams.route(repository)?;
        if let Presence::Here(content) = self.held(|| self.presence(repository, digest)).await? {
            return Ok(hit(content, self.0.cache.lease(digest)));
        }
        let asked = Reference::Digest(*digest);
        if let Some(unserved) = self.0.absent_blobs.look(repository, &asked) {
            return Err(unserved);
        }
        let filled = self.filled(repository, digest, &route).await;
        filled.inspect_err(|unserved| self.0.absent_blobs.remember(repository, &asked, unserved))
    }

    /// The blob that is always here. It is looked for as any other is: an index that hangs is to be seen.
    async fn own(&self, repository: &Repository) -> Result<BlobAnswer, Unserved> {
        self.held(|| self.presence(repository, &own_blob())).await?;
        Ok(BlobAnswer {
            content: BlobContent::Inline(Bytes::from_static(OWN_BLOB)),
            outcome: Outcome::Hit,
            lease: None,
            source: None,
        })
    }

    /// A blob's size, for a client that only asks. Starts no fill: many clients ask before they push or
    /// skip.
    pub async fn stat_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(Option<u64>, Outcome), Unserved> {
        if *digest == own_blob() {
            let own = self.own(repository).await?;
            return Ok((own.content.size(), own.outcome));
        }
        let (_, route) = self.rules().upstreams.route(repository)?;
        if let Presence::Here(content) = self.presence(repository, digest) {
            return Ok((Some(content.size()), Outcome::Hit));
        }
        let asked = Reference::Digest(*digest);
        if let Some(unserved) = self.0.absent_blobs.look(repository, &asked) {
            return Err(unserved);
        }
        let deadline = Instant::now() + self.rules().settings.first_byte;
        let shown = self.shown(repository, digest, &route, deadline).await;
        shown
            .map(|size| (size, Outcome::Miss))
            .inspect_err(|unserved| self.0.absent_blobs.remember(repository, &asked, unserved))
    }

    /// What the cache has. A cache that cannot be read has nothing: the upstream is asked.
    pub(super) fn presence(&self, repository: &Repository, digest: &Digest) -> Presence {
        self.0.cache.blob(repository, digest).unwrap_or_else(|error| {
            tracing::warn!(%digest, error = %chain(&error), "the cache cannot be read");
            Presence::Absent
        })
    }

    /// Joins the blob's flight, or sets one off. A flight of another repository is joined only for its
    /// bytes: whether this one may have them is asked, and its failure is not this one's.
    async fn filled(
        &self,
        repository: &Repository,
        digest: &Digest,
        route: &Route,
    ) -> Result<BlobAnswer, Unserved> {
        let patience = self.rules().settings.first_byte;
        let deadline = Instant::now() + patience;
        loop {
            let flight = self.fill(repository, digest, route);
            let Some(outset) = flight.clone().told(deadline + LAST_WORD).await else {
                return Err(Unserved::out_of_patience(patience));
            };
            match outset {
                Ok(departed) if departed.repository == *repository => return Ok(answer(departed)),
                Ok(departed) => {
                    self.shown(repository, digest, route, deadline).await?;
                    self.show_at_landing(repository, digest, flight);
                    return Ok(answer(departed));
                }
                Err(grounded) if grounded.repository == *repository => return Err(grounded.unserved),
                Err(_) if timeout_at(deadline, flight.landed()).await.is_err() => {
                    return Err(Unserved::out_of_patience(patience));
                }
                Err(_) => {}
            }
        }
    }

    /// A blob that is still on its way has no row that could say who may see it: said when it has landed.
    fn show_at_landing(&self, repository: &Repository, digest: &Digest, flight: Flight<Outset>) {
        let (mirror, repository, digest) = (self.clone(), repository.clone(), *digest);
        tokio::spawn(async move {
            flight.landed().await;
            mirror.keep_shown(&repository, &digest).await;
        });
    }

    async fn keep_shown(&self, repository: &Repository, digest: &Digest) {
        let show = self.0.cache.show(repository, digest);
        if let Ok(Err(error)) = timeout(STORE_PATIENCE, show).await {
            tracing::debug!(%digest, error = %chain(&error), "visibility not stored");
        }
    }

    /// Asks the upstream whether the repository holds the blob, and remembers a yes.
    pub(super) async fn shown(
        &self,
        repository: &Repository,
        digest: &Digest,
        route: &Route,
        deadline: Instant,
    ) -> Result<Option<u64>, Unserved> {
        let flight = self.0.shown.join((repository.clone(), *digest), |teller| {
            let (mirror, repository, digest, route) =
                (self.clone(), repository.clone(), *digest, route.clone());
            async move {
                let asked = route.ask(deadline, |source, path, deadline| async move {
                    source.stat_blob(&path, &digest, deadline).await
                });
                let answer = asked.await.map(|(size, _)| size);
                if answer.is_ok() {
                    mirror.keep_shown(&repository, &digest).await;
                }
                teller.tell(answer);
            }
        });
        let told = flight.told(deadline + LAST_WORD).await;
        told.unwrap_or_else(|| Err(Unserved::out_of_patience(self.rules().settings.first_byte)))
    }
}

fn hit(content: Content, lease: Lease) -> BlobAnswer {
    BlobAnswer {
        content: content.into(),
        outcome: Outcome::Hit,
        lease: Some(lease),
        source: None,
    }
}

fn answer(departed: Departed) -> BlobAnswer {
    let (content, outcome) = match departed.cargo {
        Cargo::Kept(content) => (content.into(), Outcome::Revalidated),
        Cargo::Whole(bytes) => (BlobContent::Inline(bytes), Outcome::Miss),
        Cargo::Growing { file, size, growth } => (BlobContent::Growing { file, size, growth }, Outcome::Fill),
        Cargo::Passing { size, onward } => (BlobContent::Passing { size, onward }, Outcome::Pass),
    };
    BlobAnswer {
        content,
        outcome,
        // A fill that runs is in use by itself, and what landed a moment ago is young.
        lease: None,
        source: departed.source,
    }
}
