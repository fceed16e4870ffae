//! Blobs: from the cache, from a fill, or passed through; and whether a repository may have them.

use std::{fs::File, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    Mirror, Outcome, Unserved,
    fill::{Cargo, Departed},
    route::Route,
};
use crate::{
    cache::{Content, Presence},
    delivery::{Growth, Onward},
    oci::{Digest, Reference, Repository},
    source::{SourceName, chain},
};

/// A blob that can be served.
#[derive(Debug)]
pub struct BlobAnswer {
    pub content: BlobContent,
    pub outcome: Outcome,
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
        let (_, route) = self.rules().upstreams.route(repository)?;
        if let Some(hit) = self.cached_blob(repository, digest) {
            return Ok(hit);
        }
        let asked = Reference::Digest(*digest);
        if let Some(unserved) = self.0.absent_blobs.look(repository, &asked) {
            return Err(unserved);
        }
        let answer = match self.presence(repository, digest) {
            // It is here, for others: ask whether the upstream holds it for this repository too.
            Presence::Hidden => match self.shown(repository, digest, &route).await {
                Ok(_) => match self.cached_blob(repository, digest) {
                    Some(hit) => Ok(BlobAnswer {
                        outcome: Outcome::Revalidated,
                        ..hit
                    }),
                    None => self.filled(repository, digest, &route).await,
                },
                Err(unserved) => Err(unserved),
            },
            Presence::Here(content) => Ok(hit(content)),
            Presence::Absent => self.filled(repository, digest, &route).await,
        };
        answer.inspect_err(|unserved| self.0.absent_blobs.remember(repository, &asked, unserved))
    }

    /// A blob's size, for a client that only asks. Starts no fill: many clients ask before they push or
    /// skip.
    pub async fn stat_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(Option<u64>, Outcome), Unserved> {
        let (_, route) = self.rules().upstreams.route(repository)?;
        if let Some(hit) = self.cached_blob(repository, digest) {
            return Ok((hit.content.size(), hit.outcome));
        }
        let asked = Reference::Digest(*digest);
        if let Some(unserved) = self.0.absent_blobs.look(repository, &asked) {
            return Err(unserved);
        }
        let shown = self.shown(repository, digest, &route).await;
        shown
            .map(|size| (size, Outcome::Miss))
            .inspect_err(|unserved| self.0.absent_blobs.remember(repository, &asked, unserved))
    }

    fn cached_blob(&self, repository: &Repository, digest: &Digest) -> Option<BlobAnswer> {
        match self.presence(repository, digest) {
            Presence::Here(content) => Some(hit(content)),
            Presence::Hidden | Presence::Absent => None,
        }
    }

    /// What the cache has. A cache that cannot be read has nothing: the upstream is asked.
    pub(super) fn presence(&self, repository: &Repository, digest: &Digest) -> Presence {
        self.0.cache.blob(repository, digest).unwrap_or_else(|error| {
            tracing::warn!(%digest, error = %chain(&error), "the cache cannot be read");
            Presence::Absent
        })
    }

    async fn filled(
        &self,
        repository: &Repository,
        digest: &Digest,
        route: &Route,
    ) -> Result<BlobAnswer, Unserved> {
        let patience = self.rules().settings.first_byte;
        let deadline = Instant::now() + patience;
        let flight = self.fill(repository, digest, route);
        let outset = flight
            .told(deadline)
            .await
            .unwrap_or_else(|| Err(Unserved::out_of_patience(patience)));
        let departed = outset?;
        if departed.repository != *repository {
            // Joined what another repository set off.
            self.shown(repository, digest, route).await?;
        }
        Ok(answer(departed))
    }

    /// Asks the upstream whether the repository holds the blob, and remembers a yes.
    async fn shown(
        &self,
        repository: &Repository,
        digest: &Digest,
        route: &Route,
    ) -> Result<Option<u64>, Unserved> {
        let patience = self.rules().settings.first_byte;
        let flight = self.0.shown.join((repository.clone(), *digest), |teller| {
            let (mirror, repository, digest, route) =
                (self.clone(), repository.clone(), *digest, route.clone());
            async move {
                let deadline = Instant::now() + patience;
                let asked = route.ask(deadline, |source, path, deadline| async move {
                    source.stat_blob(&path, &digest, deadline).await
                });
                let answer = asked.await.map(|(size, _)| size);
                if answer.is_ok()
                    && let Err(error) = mirror.0.cache.show(&repository, &digest).await
                {
                    tracing::debug!(%digest, error = %chain(&error), "visibility not stored");
                }
                teller.tell(answer);
            }
        });
        let deadline = Instant::now() + patience;
        flight
            .told(deadline)
            .await
            .unwrap_or_else(|| Err(Unserved::out_of_patience(patience)))
    }
}

fn hit(content: Content) -> BlobAnswer {
    BlobAnswer {
        content: content.into(),
        outcome: Outcome::Hit,
        source: None,
    }
}

fn answer(departed: Departed) -> BlobAnswer {
    let (content, outcome) = match departed.cargo {
        Cargo::Whole(bytes) => (BlobContent::Inline(bytes), Outcome::Miss),
        Cargo::Growing { file, size, growth } => (BlobContent::Growing { file, size, growth }, Outcome::Fill),
        Cargo::Passing { size, onward } => (BlobContent::Passing { size, onward }, Outcome::Pass),
    };
    BlobAnswer {
        content,
        outcome,
        source: departed.source,
    }
}
