//! What can be done through the API, carried out by the mirror and the reloader.

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};

use tokio::task::{JoinError, JoinHandle};

use super::{collecting::told, facts::Facts, inspecting, reload::Reloader};
use crate::{
    api::{BlobState, CollectEvent, InspectEvent, Kept, PullEvent, Reloaded},
    cache::CacheError,
    console::{Change, Depth, Effect, Operations},
    inspection,
    mirror::{self, Mirror, Progress},
    oci::{Digest, Image, Platform, Reference},
    source::chain,
};

/// How often somebody who waits for a collection hears that it goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The hands of the console.
pub(super) struct Hands {
    pub(super) mirror: Mirror,
    pub(super) reloader: Arc<Reloader>,
    pub(super) facts: Arc<Facts>,
}

impl Operations for Hands {
    fn pull(&self, image: Image, platform: Option<Platform>) -> BoxStream<'static, PullEvent> {
        tracing::info!(%image, platform = platform.as_ref().map(ToString::to_string), "pull asked for");
        self.mirror
            .pull(image.clone(), platform)
            .map(move |progress| event(progress, &image))
            .boxed()
    }

    fn keep(&self, image: Image, change: Change) -> BoxFuture<'_, Result<Kept, String>> {
        async move {
            let outcome = match change {
                Change::Pin => self.pin(&image).await,
                Change::Unpin => self.unpin(&image).await,
                Change::Evict => self.evict(&image).await,
            };
            outcome
                .map(|outcome| Kept {
                    reference: image.to_string(),
                    outcome,
                })
                .map_err(|error| chain(&error))
        }
        .boxed()
    }

    fn collect(&self, effect: Effect) -> BoxStream<'static, CollectEvent> {
        let (collector, clock) = (self.facts.collector.clone(), self.facts.clock.clone());
        let asked = tokio::spawn(async move {
            let record = match effect {
                Effect::Real => collector.collect().await,
                Effect::Said => collector.rehearse().await,
            };
            match record {
                Ok(record) => CollectEvent::Done {
                    collection: told(&record, clock.now()),
                },
                Err(stopped) => CollectEvent::Failed {
                    reason: stopped.to_string(),
                },
            }
        });
        with_signs_of_life(
            asked,
            || CollectEvent::Working,
            |error| CollectEvent::Failed {
                reason: format!("collect: {error}"),
            },
        )
    }

    fn inspect(&self, depth: Depth) -> BoxStream<'static, InspectEvent> {
        let (inspector, clock) = (self.facts.inspector.clone(), self.facts.clock.clone());
        tracing::info!(?depth, "an inspection was asked for");
        let asked = tokio::spawn(async move {
            let depth = match depth {
                Depth::Scan => inspection::Depth::Scan,
                Depth::Scrub => inspection::Depth::Scrub,
            };
            match inspector.inspect(depth).await {
                Ok(records) => InspectEvent::Done {
                    inspections: records
                        .iter()
                        .map(|record| inspecting::told(record, clock.now()))
                        .collect(),
                },
                Err(stopped) => InspectEvent::Failed {
                    reason: stopped.to_string(),
                },
            }
        });
        with_signs_of_life(
            asked,
            || InspectEvent::Working,
            |error| InspectEvent::Failed {
                reason: format!("inspect: {error}"),
            },
        )
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, String>> {
        let reloader = self.reloader.clone();
        let reload = tokio::task::spawn_blocking(move || reloader.reload());
        async move {
            let reloaded = reload
                .await
                .map_err(|error| format!("read the configuration again: {error}"))?;
            reloaded.map_err(|error| chain(&error))
        }
        .boxed()
    }
}

impl Hands {
    /// What an image stands for, if it is here.
    fn digest(&self, image: &Image) -> Result<Option<Digest>, CacheError> {
        let cache = self.mirror.cache();
        match &image.reference {
            Reference::Digest(digest) => {
                let manifest = cache.manifest(&image.repository, digest)?;
                Ok(manifest.map(|_| *digest))
            }
            Reference::Tag(tag) => Ok(cache.tag(&image.repository, tag)?.map(|record| record.digest)),
        }
    }

    async fn pin(&self, image: &Image) -> Result<String, CacheError> {
        self.mirror.cache().pin(image).await?;
        tracing::info!(%image, "pinned");
        Ok(match self.digest(image)? {
            Some(_) => "pinned".to_owned(),
            None => "pinned; it is not here yet: `larder pull` fetches it".to_owned(),
        })
    }

    async fn unpin(&self, image: &Image) -> Result<String, CacheError> {
        let was = self.mirror.cache().unpin(image).await?;
        let configured = self.facts.site.load().config.cache.pins.contains(image);
        tracing::info!(%image, was, configured, "unpinned");
        Ok(match (was, configured) {
            (_, true) => "stays pinned by the configuration (cache.pins)".to_owned(),
            (true, false) => "unpinned".to_owned(),
            (false, false) => "was not pinned".to_owned(),
        })
    }

    async fn evict(&self, image: &Image) -> Result<String, CacheError> {
        let cache = self.mirror.cache();
        let Some(digest) = self.digest(image)? else {
            return Ok("is not here".to_owned());
        };
        let taken = cache.retire(&digest).await?;
        if let Reference::Tag(tag) = &image.reference {
            cache.forget_tag(&image.repository, tag).await?;
        }
        self.mirror.forget_whole();
        let files = taken.files.iter().map(|condemned| *condemned.digest()).collect();
        let left = match self.facts.janitor.unlink(files).await {
            Ok(_) => "",
            Err(error) => {
                tracing::warn!(error = %chain(&error), "files of an evicted image are not removed yet");
                "; its files are removed later"
            }
        };
        tracing::info!(%image, pieces = taken.pieces, bytes = taken.bytes, "evicted");
        Ok(format!(
            "evicted: {} pieces, {} bytes{left}",
            taken.pieces, taken.bytes
        ))
    }
}

/// The outcome of a task, and before it a sign of life now and then.
fn with_signs_of_life<E: Send + 'static>(
    asked: JoinHandle<E>,
    sign: fn() -> E,
    failed: fn(JoinError) -> E,
) -> BoxStream<'static, E> {
    stream::unfold(Some(asked), move |asked| async move {
        let mut asked = asked?;
        match tokio::time::timeout(SIGN_OF_LIFE, &mut asked).await {
            Err(_) => Some((sign(), Some(asked))),
            Ok(Ok(event)) => Some((event, None)),
            Ok(Err(error)) => Some((failed(error), None)),
        }
    })
    .boxed()
}

fn event(progress: Progress, image: &Image) -> PullEvent {
    match progress {
        Progress::Resolved { digest } => PullEvent::Resolved { digest },
        Progress::Blob {
            digest,
            size,
            have,
            state,
        } => PullEvent::Blob {
            digest,
            size,
            have,
            state: match state {
                mirror::BlobState::Waiting => BlobState::Waiting,
                mirror::BlobState::Fetching => BlobState::Fetching,
                mirror::BlobState::Cached => BlobState::Cached,
                mirror::BlobState::Fetched => BlobState::Fetched,
                mirror::BlobState::Failed => BlobState::Failed,
            },
        },
        Progress::Done {
            digest,
            bytes,
            fetched,
        } => {
            tracing::info!(%image, %digest, bytes, fetched, "pulled");
            PullEvent::Done {
                digest,
                bytes,
                fetched,
            }
        }
        Progress::Failed(error) => {
            tracing::warn!(%image, %error, "not pulled");
            PullEvent::Failed {
                reason: error.to_string(),
            }
        }
    }
}
