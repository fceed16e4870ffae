//! What can be done through the API, carried out by the mirror and the reloader.

use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};

use super::reload::Reloader;
use crate::{
    api::{BlobState, PullEvent, Reloaded},
    console::Operations,
    mirror::{self, Mirror, Progress},
    oci::{Image, Platform},
    source::chain,
};

/// The hands of the console.
pub(super) struct Hands {
    pub(super) mirror: Mirror,
    pub(super) reloader: Arc<Reloader>,
}

impl Operations for Hands {
    fn pull(&self, image: Image, platform: Option<Platform>) -> BoxStream<'static, PullEvent> {
        tracing::info!(%image, platform = platform.as_ref().map(ToString::to_string), "pull asked for");
        self.mirror
            .pull(image.clone(), platform)
            .map(move |progress| event(progress, &image))
            .boxed()
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
