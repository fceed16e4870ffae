//! Manifests, by tag and by digest.
//!
//! ```text
//! tag, checked within tag_ttl ──────────────────────────────→ hit
//! tag, older ── HEAD ── same ───────────────────────────────→ revalidated
//!                    ├─ another ── GET ─────────────────────→ miss
//!                    ├─ "not found" ────────────────────────→ 404, the tag is forgotten
//!                    └─ no answer (in time) ── gate ────────→ stale
//! tag or digest, unknown ── GET ── stored ──────────────────→ miss
//! digest, known ── gate ────────────────────────────────────→ hit
//! ```

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};

use super::{
    Mirror, Outcome, Reason, Unserved,
    flights::Flight,
    route::{Outlook, Route},
    upstream::Upstream,
};
use crate::{
    cache::TagRecord,
    oci::{Manifest, Reference, Repository, Tag},
    source::{SourceName, chain},
};

/// A manifest that can be served.
#[derive(Clone, Debug)]
pub struct ManifestAnswer {
    pub manifest: Manifest,
    pub outcome: Outcome,
    /// Whence, when it is not from the cache.
    pub source: Option<SourceName>,
    /// How long ago the upstream last confirmed it, where that is known.
    pub age: Option<Duration>,
}

/// How much longer than a flight's own deadline those who wait for it listen: its story is better than theirs,
/// and by then the endpoint knows of its failure, so that the next one does not wait for the same.
pub(super) const LAST_WORD: Duration = Duration::from_millis(250);

/// How long an answer waits for the disk. What is given up is only the waiting: the index goes on with it.
pub(super) const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// What a flight for a manifest tells.
pub(super) type Fetched = Result<ManifestAnswer, Unserved>;

impl Mirror {
    /// Until when one who asks now may be kept waiting.
    pub fn patience(&self) -> Instant {
        Instant::now() + self.rules().settings.first_byte
    }

    /// The manifest that a reference stands for, or why not, soon after `deadline` at the latest.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
        deadline: Instant,
    ) -> Result<ManifestAnswer, Unserved> {
        let answer = self.answer_for(repository, reference, deadline).await?;
        self.0.cache.used(&answer.manifest.digest);
        Ok(answer)
    }

    async fn answer_for(
        &self,
        repository: &Repository,
        reference: &Reference,
        deadline: Instant,
    ) -> Result<ManifestAnswer, Unserved> {
        let (upstream, route) = self.rules().upstreams.route(repository)?;
        match reference {
            Reference::Digest(digest) => {
                let found = self.held(|| self.cached_manifest(repository, digest)).await?;
                let Some(manifest) = found else {
                    return self.fetched(repository, reference, &route, deadline).await;
                };
                self.pass_gate(repository, &manifest, &route).await?;
                Ok(ManifestAnswer {
                    manifest,
                    outcome: Outcome::Hit,
                    source: None,
                    age: None,
                })
            }
            Reference::Tag(tag) => self.tagged(repository, tag, &upstream, &route, deadline).await,
        }
    }

    async fn tagged(
        &self,
        repository: &Repository,
        tag: &Tag,
        upstream: &Upstream,
        route: &Route,
        deadline: Instant,
    ) -> Result<ManifestAnswer, Unserved> {
        let Some((record, manifest)) = self.cached_tag(repository, tag).await? else {
            let reference = Reference::Tag(tag.clone());
            return self.fetched(repository, &reference, route, deadline).await;
        };
        let age = record.checked.age(self.0.clock.now());
        let mut cached = ManifestAnswer {
            manifest,
            outcome: Outcome::Hit,
            source: None,
            age,
        };
        if age.is_some_and(|age| age < upstream.tag_ttl) {
            self.pass_gate(repository, &cached.manifest, route).await?;
            return Ok(cached);
        }
        // Whoever failed a moment ago is asked in the background: nobody waits for a probe.
        let patience = match route.outlook() {
            Outlook::Up | Outlook::Unknown => self.rules().settings.revalidation,
            Outlook::Doubtful | Outlook::Down => Duration::ZERO,
        };
        let flight = self.revalidate(repository, tag, record, route);
        let told = flight.clone().told(flight.patience(patience).min(deadline)).await;
        match told {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(unserved)) if unserved.reason == Reason::NotFound => Err(unserved),
            // No usable answer, or none in time: what was true at last is the best there is.
            _ if self.is_whole(repository, &cached.manifest) => {
                cached.outcome = Outcome::Stale;
                Ok(cached)
            }
            Some(Err(unserved)) => Err(Unserved::incomplete(
                repository,
                &cached.manifest,
                &unserved.message,
            )),
            // A part of it would have to come from this upstream anyway: it is worth the whole patience.
            None => match flight.told(deadline + LAST_WORD).await {
                Some(Err(unserved)) if unserved.reason != Reason::NotFound => Err(Unserved::incomplete(
                    repository,
                    &cached.manifest,
                    &unserved.message,
                )),
                Some(answer) => answer,
                None => Err(Unserved::incomplete(
                    repository,
                    &cached.manifest,
                    "it does not answer",
                )),
            },
        }
    }

    pub(super) fn cached_manifest(
        &self,
        repository: &Repository,
        digest: &crate::oci::Digest,
    ) -> Option<Manifest> {
        self.0.cache.manifest(repository, digest).unwrap_or_else(|error| {
            tracing::warn!(%digest, error = %chain(&error), "the cache cannot be read");
            None
        })
    }

    async fn cached_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<(TagRecord, Manifest)>, Unserved> {
        let record = self.0.cache.tag(repository, tag).unwrap_or_else(|error| {
            tracing::warn!(%tag, error = %chain(&error), "the cache cannot be read");
            None
        });
        let Some(record) = record else { return Ok(None) };
        let manifest = self
            .held(|| self.cached_manifest(repository, &record.digest))
            .await?;
        Ok(manifest.map(|manifest| (record, manifest)))
    }

    /// Fetches what is not here.
    async fn fetched(
        &self,
        repository: &Repository,
        reference: &Reference,
        route: &Route,
        deadline: Instant,
    ) -> Result<ManifestAnswer, Unserved> {
        if let Some(unserved) = self.0.absent.look(repository, reference) {
            return Err(unserved);
        }
        let patience = self.rules().settings.first_byte;
        let flight = self.0.manifests.join((repository.clone(), reference.clone()), |teller| {
            let (mirror, repository, reference, route) = (self.clone(), repository.clone(), reference.clone(), route.clone());
            async move {
                // Its own: others may join who have more patience left than the first.
                let deadline = mirror.patience();
                let fetched = mirror.fetch(&repository, &reference, &route, deadline).await;
                if let Err(unserved) = &fetched {
                    mirror.0.absent.remember(&repository, &reference, unserved);
                    tracing::info!(%repository, %reference, reason = unserved.reason.word(), error = %unserved, "manifest not to be had");
                }
                teller.tell(fetched);
            }
        });
        flight
            .told(deadline + LAST_WORD)
            .await
            .unwrap_or_else(|| Err(Unserved::out_of_patience(patience)))
    }

    /// Asks whether a tag still stands for what it stood for; fetches what it stands for now if not.
    fn revalidate(
        &self,
        repository: &Repository,
        tag: &Tag,
        record: TagRecord,
        route: &Route,
    ) -> Flight<Fetched> {
        let reference = Reference::Tag(tag.clone());
        self.0.manifests.join((repository.clone(), reference.clone()), |teller| {
            let (mirror, repository, tag, route) = (self.clone(), repository.clone(), tag.clone(), route.clone());
            async move {
                let answer = mirror.ask_tag(&repository, &reference, &tag, record, &route).await;
                if let Err(unserved) = &answer {
                    tracing::info!(%repository, %tag, reason = unserved.reason.word(), error = %unserved, "tag not revalidated");
                    if unserved.reason == Reason::NotFound {
                        mirror.0.absent.remember(&repository, &reference, unserved);
                        if let Err(error) = mirror.0.cache.forget_tag(&repository, &tag).await {
                            tracing::debug!(%tag, error = %chain(&error), "tag not forgotten");
                        }
                    }
                }
                teller.tell(answer);
            }
        })
    }

    async fn ask_tag(
        &self,
        repository: &Repository,
        reference: &Reference,
        tag: &Tag,
        record: TagRecord,
        route: &Route,
    ) -> Fetched {
        let deadline = self.patience();
        let shared = Arc::new(reference.clone());
        let asked = route.ask(deadline, |source, path, deadline| {
            let reference = shared.clone();
            async move { source.resolve(&path, &reference, deadline).await }
        });
        let (resolved, source) = asked.await?;
        let known = self
            .held(|| self.cached_manifest(repository, &resolved.digest))
            .await?;
        let Some(manifest) = known else {
            return self.fetch(repository, reference, route, deadline).await;
        };
        self.keep_tag(repository, tag, &manifest).await;
        let outcome = if resolved.digest == record.digest {
            Outcome::Revalidated
        } else {
            Outcome::Miss
        };
        Ok(ManifestAnswer {
            manifest,
            outcome,
            source: Some(source.name().clone()),
            age: Some(Duration::ZERO),
        })
    }

    /// Gets a manifest from the upstream and stores it. What cannot be stored is served all the same.
    async fn fetch(
        &self,
        repository: &Repository,
        reference: &Reference,
        route: &Route,
        deadline: Instant,
    ) -> Fetched {
        let shared = Arc::new(reference.clone());
        let asked = route.ask(deadline, |source, path, deadline| {
            let reference = shared.clone();
            async move { source.manifest(&path, &reference, deadline).await }
        });
        let (manifest, source) = asked.await?;
        let mut outcome = Outcome::Miss;
        let put = self.0.cache.put_manifest(repository, &manifest);
        match timeout(STORE_PATIENCE, put).await {
            Ok(Err(error)) => {
                tracing::warn!(%repository, digest = %manifest.digest, error = %chain(&error), "manifest not stored");
                outcome = Outcome::Pass;
            }
            // Stored, or on its way to the disk: the index takes its commands in order.
            Ok(Ok(())) | Err(_) => {
                if let Reference::Tag(tag) = reference {
                    self.keep_tag(repository, tag, &manifest).await;
                }
            }
        }
        Ok(ManifestAnswer {
            manifest,
            outcome,
            source: Some(source.name().clone()),
            age: Some(Duration::ZERO),
        })
    }

    async fn keep_tag(&self, repository: &Repository, tag: &Tag, manifest: &Manifest) {
        let now = self.0.clock.now();
        let put = self.0.cache.put_tag(repository, tag, manifest.digest, now);
        if let Ok(Err(error)) = timeout(STORE_PATIENCE, put).await {
            tracing::warn!(%repository, %tag, error = %chain(&error), "tag not stored");
        }
    }
}
