//! Fetching a whole image before it is asked for.
//!
//! The same flights carry it as carry clients' requests: what a client asks for meanwhile is fetched once.
//! Whoever stops listening stops the waiting, not the fills that have begun.

mod blobs;
mod contents;

use futures_util::{
    StreamExt as _, future,
    stream::{self, BoxStream},
};
use tokio::sync::mpsc;

use super::{Mirror, Unserved};
use crate::oci::{Digest, Image, InvalidManifest, Platform};

/// Reports that may wait for a slow listener before the pull waits for it.
const REPORTS: usize = 16;

/// How a pull goes. The last report is `Done` or `Failed`.
#[derive(Clone, Debug)]
pub enum Progress {
    /// The reference stands for this manifest.
    Resolved {
        digest: Digest,
    },
    /// Where a blob is.
    Blob {
        digest: Digest,
        /// Once it is known.
        size: Option<u64>,
        /// Bytes that are here.
        have: u64,
        state: BlobState,
    },
    /// All of it is here.
    Done {
        digest: Digest,
        bytes: u64,
        /// Of them, fetched now.
        fetched: u64,
    },
    Failed(PullError),
}

/// What happens to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobState {
    Waiting,
    Fetching,
    /// It was here before.
    Cached,
    Fetched,
    Failed,
}

/// Why an image is not here after all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PullError {
    #[error("the manifest of {subject} cannot be had: {cause}")]
    Manifest { subject: String, cause: Unserved },
    #[error("the manifest {digest} cannot be read: {reason}")]
    Unreadable { digest: Digest, reason: String },
    #[error("{image} is not there for {wanted}; it is for {offered}")]
    Platform {
        image: Box<Image>,
        wanted: Platform,
        offered: String,
    },
    #[error("{0} cannot be kept: the cache does not store now")]
    Unstored(Digest),
    #[error("{failed} of {all} blobs cannot be had; the first: {digest}: {reason}")]
    Blobs {
        failed: usize,
        all: usize,
        digest: Digest,
        reason: String,
    },
}

impl PullError {
    fn unreadable(digest: Digest, cause: &InvalidManifest) -> Self {
        Self::Unreadable {
            digest,
            reason: crate::source::chain(cause),
        }
    }
}

impl Mirror {
    /// Fetches an image, for one platform or for all that it is there for.
    pub fn pull(&self, image: Image, platform: Option<Platform>) -> BoxStream<'static, Progress> {
        let (reports, heard) = mpsc::channel(REPORTS);
        let pull = Pull {
            mirror: self.clone(),
            image,
            platform,
            reports,
        };
        let run = stream::once(pull.run()).filter_map(|()| future::ready(None));
        let heard = stream::unfold(heard, |mut heard| async move {
            let report = heard.recv().await?;
            Some((report, heard))
        });
        stream::select(heard, run).boxed()
    }
}

/// One pull under way.
struct Pull {
    mirror: Mirror,
    image: Image,
    platform: Option<Platform>,
    reports: mpsc::Sender<Progress>,
}

impl Pull {
    async fn run(self) {
        let last = self.fetch().await.unwrap_or_else(Progress::Failed);
        self.report(last).await;
    }

    /// The listener is polled together with this, so that it is there as long as this runs.
    async fn report(&self, progress: Progress) {
        let _ = self.reports.send(progress).await;
    }

    async fn fetch(&self) -> Result<Progress, PullError> {
        let contents = self.contents().await?;
        let blobs = self.blobs(&contents).await?;
        Ok(Progress::Done {
            digest: contents.digest,
            bytes: contents.bytes + blobs.bytes,
            fetched: contents.fetched + blobs.fetched,
        })
    }
}
