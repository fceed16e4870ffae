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

use tokio::time::Instant;

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

/// What a flight for a manifest tells.
pub(super) type Fetched = Result<ManifestAnswer, Unserved>;

impl Mirror {
    /// The manifest that a reference stands for.
    pub async fn manifest(
        &self,
        repository: &Repository,
        reference: &Reference,
    ) -> Result<ManifestAnswer, Unserved> {
        let (upstream, route) = self.rules().upstreams.route(repository)?;
        if let Some(unserved) = self.0.absent.look(repository, reference) {
            return Err(unserved);
        }
        match reference {
            Reference::Digest(digest) => {
                let Some(manifest) = self.cached_manifest(repository, digest) else {
                    return self.fetched(repository, reference, &route).await;
                };
                self.pass_gate(repository, &manifest, &route).await?;
                Ok(ManifestAnswer {
                    manifest,
                    outcome: Outcome::Hit,
                    source: None,
                    age: None,
                })
            }
            Reference::Tag(tag) => self.tagged(repository, reference, tag, &upstream, &route).await,
        }
    }

    async fn tagged(
        &self,
        repository: &Repository,
        reference: &Reference,
        tag: &Tag,
        upstream: &Upstream,
        route: &Route,
    ) -> Result<ManifestAnswer, Unserved> {
        let Some((record, manifest)) = self.cached_tag(repository, tag) else {
            return self.fetched(repository, reference, route).await;
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
        let deadline = flight.patience(patience);
        let told = flight.clone().told(deadline).await;
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
            None => match flight
                .clone()
                .told(flight.patience(self.rules().settings.first_byte))
                .await
            {
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

    fn cached_tag(&self, repository: &Repository, tag: &Tag) -> Option<(TagRecord, Manifest)> {
        let record = self.0.cache.tag(repository, tag).unwrap_or_else(|error| {
            tracing::warn!(%tag, error = %chain(&error), "the cache cannot be read");
            None
        })?;
        let manifest = self.cached_manifest(repository, &record.digest)?;
        Some((record, manifest))
    }

    /// Fetches what is not here.
    async fn fetched(
        &self,
        repository: &Repository,
        reference: &Reference,
        route: &Route,
    ) -> Result<ManifestAnswer, Unserved> {
        let patience = self.rules().settings.first_byte;
        let deadline = Instant::now() + patience;
        let flight = self.0.manifests.join((repository.clone(), reference.clone()), |teller| {
            let (mirror, repository, reference, route) = (self.clone(), repository.clone(), reference.clone(), route.clone());
            async move {
                let fetched = mirror.fetch(&repository, &reference, &route, deadline).await;
                if let Err(unserved) = &fetched {
                    mirror.0.absent.remember(&repository, &reference, unserved);
                    tracing::info!(%repository, %reference, reason = unserved.reason.word(), error = %unserved, "manifest not to be had");
                }
                teller.tell(fetched);
            }
        });
        flight
            .told(deadline)
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
        let deadline = Instant::now() + self.rules().settings.first_byte;
        let shared = Arc::new(reference.clone());
        let asked = route.ask(deadline, |source, path, deadline| {
            let reference = shared.clone();
            async move { source.resolve(&path, &reference, deadline).await }
        });
        let (resolved, source) = asked.await?;
        let known = self.cached_manifest(repository, &resolved.digest);
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
        if let Err(error) = self.0.cache.put_manifest(repository, &manifest).await {
            tracing::warn!(%repository, digest = %manifest.digest, error = %chain(&error), "manifest not stored");
            outcome = Outcome::Pass;
        } else if let Reference::Tag(tag) = reference {
            self.keep_tag(repository, tag, &manifest).await;
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
        if let Err(error) = self.0.cache.put_tag(repository, tag, manifest.digest, now).await {
            tracing::warn!(%repository, %tag, error = %chain(&error), "tag not stored");
        }
    }
}
