//! Lists that an upstream makes: the tags of a repository, the referrers of a digest.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Mirror, Outcome, Unserved, route::Route};
use crate::{
    oci::{Digest, Links, Repository, Tag},
    source::chain,
};

/// Tag lists kept in memory at most, and how long one is served without asking. A list is a convenience:
/// pulls never need it, so it is not worth the flash.
const RECENT: (usize, Duration) = (64, Duration::from_secs(60));

/// The tags of a repository.
#[derive(Clone, Debug)]
pub struct TagsAnswer {
    /// Sorted.
    pub tags: Arc<[Tag]>,
    pub outcome: Outcome,
}

/// The referrers of a digest.
#[derive(Clone, Debug)]
pub struct ReferrersAnswer {
    /// An OCI index, unfiltered.
    pub index: Bytes,
    pub outcome: Outcome,
}

/// What is listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Tags(Repository),
    Referrers(Repository, Digest),
}

#[derive(Clone, Debug)]
pub(super) enum Listing {
    Tags(Arc<[Tag]>),
    Referrers(Bytes),
}

/// Tag lists that were fetched a moment ago.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<Repository, Fetched>>);

/// When, and what.
type Fetched = (Instant, Arc<[Tag]>);

impl Recent {
    fn get(&self, repository: &Repository) -> Option<Arc<[Tag]>> {
        let recent = self.0.lock();
        let (at, tags) = recent.get(repository)?;
        (at.elapsed() < RECENT.1).then(|| tags.clone())
    }

    fn put(&self, repository: &Repository, tags: Arc<[Tag]>) {
        let mut recent = self.0.lock();
        if recent.len() >= RECENT.0 {
            recent.clear();
        }
        recent.insert(repository.clone(), (Instant::now(), tags));
    }
}

impl Mirror {
    /// All tags: the upstream's list; when it cannot be had, the tags that the cache knows.
    pub async fn tags(&self, repository: &Repository) -> Result<TagsAnswer, Unserved> {
        let (_, route) = self.rules().upstreams.route(repository)?;
        if let Some(tags) = self.0.recent_listings.get(repository) {
            return Ok(TagsAnswer {
                tags,
                outcome: Outcome::Hit,
            });
        }
        match self.listed(Key::Tags(repository.clone()), &route).await {
            Ok(Listing::Tags(tags)) => {
                self.0.recent_listings.put(repository, tags.clone());
                Ok(TagsAnswer {
                    tags,
                    outcome: Outcome::Miss,
                })
            }
            Ok(Listing::Referrers(_)) => unreachable!("a key of tags lists tags"),
            Err(unserved) if unserved.is_answer() => Err(unserved),
            Err(unserved) => match self.0.cache.tags(repository) {
                Ok(mut tags) if !tags.is_empty() => {
                    tags.sort_unstable();
                    Ok(TagsAnswer {
                        tags: tags.into(),
                        outcome: Outcome::Stale,
                    })
                }
                _ => Err(unserved),
            },
        }
    }

    /// What refers to a digest. Kept in the cache: signatures are checked when the WAN is down, too.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<ReferrersAnswer, Unserved> {
        let (upstream, route) = self.rules().upstreams.route(repository)?;
        let cached = self
            .held(|| {
                let known = self.0.cache.referrers(repository, subject);
                known.unwrap_or_else(|error| {
                    tracing::warn!(%subject, error = %chain(&error), "the cache cannot be read");
                    None
                })
            })
            .await?;
        if let Some(record) = &cached
            && record
                .checked
                .age(self.0.clock.now())
                .is_some_and(|age| age < upstream.tag_ttl)
        {
            return Ok(ReferrersAnswer {
                index: record.index.clone(),
                outcome: Outcome::Hit,
            });
        }
        match (
            self.listed(Key::Referrers(repository.clone(), *subject), &route)
                .await,
            cached,
        ) {
            (Ok(Listing::Referrers(index)), _) => Ok(ReferrersAnswer {
                index,
                outcome: Outcome::Miss,
            }),
            (Ok(Listing::Tags(_)), _) => unreachable!("a key of referrers lists referrers"),
            (Err(_), Some(record)) => Ok(ReferrersAnswer {
                index: record.index,
                outcome: Outcome::Stale,
            }),
            (Err(unserved), None) => Err(unserved),
        }
    }

    async fn listed(&self, key: Key, route: &Route) -> Result<Listing, Unserved> {
        let patience = self.rules().settings.first_byte;
        let deadline = Instant::now() + patience;
        let flight = self.0.listings.join(key.clone(), |teller| {
            let (mirror, route) = (self.clone(), route.clone());
            async move { teller.tell(mirror.list(key, &route, deadline).await) }
        });
        flight
            .told(deadline)
            .await
            .unwrap_or_else(|| Err(Unserved::out_of_patience(patience)))
    }

    async fn list(&self, key: Key, route: &Route, deadline: Instant) -> Result<Listing, Unserved> {
        match key {
            Key::Tags(_) => {
                let asked = route.ask(deadline, |source, path, deadline| async move {
                    source.tags(&path, deadline).await
                });
                asked.await.map(|(tags, _)| Listing::Tags(tags.into()))
            }
            Key::Referrers(repository, subject) => {
                let asked = route.ask(deadline, |source, path, deadline| async move {
                    source.referrers(&path, &subject, deadline).await
                });
                let (index, _) = asked.await?;
                let now = self.0.clock.now();
                // "None" only for what is kept: a client that asks for made-up digests must not fill the disk.
                let none = Links::of(&index).is_ok_and(|links| links.manifests.is_empty());
                if none && self.cached_manifest(&repository, &subject).is_none() {
                    return Ok(Listing::Referrers(index));
                }
                if let Err(error) = self
                    .0
                    .cache
                    .put_referrers(&repository, &subject, index.clone(), now)
                    .await
                {
                    tracing::debug!(%subject, error = %chain(&error), "referrers not stored");
                }
                Ok(Listing::Referrers(index))
            }
        }
    }
}
