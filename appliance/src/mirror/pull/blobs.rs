//! The blobs of an image, a few at a time, each through the flight that clients would join.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Duration, Instant, MissedTickBehavior, interval, sleep};

use super::{
    BlobState, Progress, Pull, PullError,
    contents::{Contents, Shape},
};
use crate::{
    cache::Presence,
    delivery::{Ended, Growth},
    mirror::{BlobContent, Outcome, platform},
    oci::{Digest, Link},
};

/// Blobs at a time. As many as a container runtime fetches at once; more would only share the same line.
const AT_ONCE: usize = 3;

/// Between two looks at a blob that arrives.
const LOOK: Duration = Duration::from_millis(250);

/// A blob is reported at least so often, also when nothing moves: silence means that the box is gone.
const REPEAT: Duration = Duration::from_secs(30);

/// Fills that may fail before a blob is given up. Each of them has retried on its own.
const ATTEMPTS: usize = 3;

/// What has come, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Got {
    pub(super) bytes: u64,
    pub(super) fetched: u64,
}

impl Pull {
    pub(super) async fn blobs(&self, contents: &Contents) -> Result<Got, PullError> {
        let blobs = &contents.blobs;
        for link in blobs {
            let (digest, size) = (link.digest, link.size);
            self.report(Progress::Blob {
                digest,
                size,
                have: 0,
                state: BlobState::Waiting,
            })
            .await;
        }
        // What an image is for stands in its configuration only: that one first, and the layers if it fits.
        let (ahead, rest) = match (&self.platform, contents.shape) {
            (Some(_), Shape::Single) => blobs.split_at(blobs.len().min(1)),
            _ => (&blobs[..0], &blobs[..]),
        };
        let mut sum = Got::default();
        let mut failures = Vec::new();
        for part in [ahead, rest] {
            let mut results = stream::iter(part.to_vec())
                .map(|link| self.blob(link))
                .buffer_unordered(AT_ONCE);
            while let Some(result) = results.next().await {
                match result {
                    Ok(got) => {
                        sum.bytes += got.bytes;
                        sum.fetched += got.fetched;
                    }
                    Err(failure) => failures.push(failure),
                }
            }
            drop(results);
            self.check_platform(ahead)?;
        }
        match failures.first() {
            None => Ok(sum),
            Some((digest, reason)) => Err(PullError::Blobs {
                failed: failures.len(),
                all: blobs.len(),
                digest: *digest,
                reason: reason.clone(),
            }),
        }
    }

    /// Whether the configuration, if that came ahead, is of the platform that is wanted.
    fn check_platform(&self, ahead: &[Link]) -> Result<(), PullError> {
        let (Some(wanted), Some(link)) = (&self.platform, ahead.first()) else {
            return Ok(());
        };
        let Presence::Here(content) = self.mirror.presence(&self.image.repository, &link.digest) else {
            return Ok(());
        };
        match platform::of_configuration(&content) {
            Some(found) if !platform::fits(&found, wanted) => Err(PullError::Platform {
                image: Box::new(self.image.clone()),
                wanted: wanted.clone(),
                offered: found.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// One blob, to its end; or why not.
    async fn blob(&self, link: Link) -> Result<Got, (Digest, String)> {
        let mut line = Line::new(self, &link);
        let mut reason = "it came, and could not be kept".to_owned();
        for attempt in 0..ATTEMPTS {
            let growth = match self.mirror.blob(&self.image.repository, &link.digest).await {
                Ok(here) if matches!(here.outcome, Outcome::Hit | Outcome::Revalidated) => {
                    let bytes = here.content.size().unwrap_or_default();
                    return Ok(line.here(bytes, attempt).await);
                }
                Ok(answer) => match answer.content {
                    BlobContent::Growing { growth, size, .. } => {
                        line.size = line.size.or(size);
                        Some(growth)
                    }
                    BlobContent::Inline(_) | BlobContent::File { .. } => None,
                    BlobContent::Passing { .. } => {
                        "the cache does not store now".clone_into(&mut reason);
                        break;
                    }
                },
                Err(unserved) => {
                    reason = unserved.message.to_string();
                    // It may be only late: its flight goes on.
                    if self.mirror.0.blobs.running(&link.digest).is_none() {
                        break;
                    }
                    None
                }
            };
            self.landed(&mut line, growth.as_ref()).await;
            if let Some(Ended::Failed(why)) = growth.as_ref().and_then(|growth| growth.ended()) {
                reason = why.to_string();
            }
            // A flight that has just ended can still be joined; the next attempt is to be a new one.
            if !matches!(
                self.mirror.presence(&self.image.repository, &link.digest),
                Presence::Here(_)
            ) {
                sleep(LOOK).await;
            }
        }
        line.report(BlobState::Failed).await;
        Err((link.digest, reason))
    }

    /// Waits until the blob's flight has ended, reporting how it goes.
    async fn landed(&self, line: &mut Line<'_>, growth: Option<&Arc<Growth>>) {
        let Some(flight) = self.mirror.0.blobs.running(&line.digest) else {
            return;
        };
        let landed = flight.landed();
        tokio::pin!(landed);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut landed => return,
                _ = looks.tick() => line.fetching(growth.map_or(0, |growth| growth.readable())).await,
            }
        }
    }
}

/// What is reported of one blob.
struct Line<'a> {
    pull: &'a Pull,
    digest: Digest,
    size: Option<u64>,
    have: u64,
    /// When it was reported last.
    told: Option<Instant>,
}

impl<'a> Line<'a> {
    fn new(pull: &'a Pull, link: &Link) -> Self {
        Self {
            pull,
            digest: link.digest,
            size: link.size,
            have: 0,
            told: None,
        }
    }

    async fn fetching(&mut self, have: u64) {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= REPEAT);
        if have > self.have || is_due {
            self.have = self.have.max(have);
            self.report(BlobState::Fetching).await;
        }
    }

    /// All of it is here, since before the first attempt or by one of them.
    async fn here(&mut self, bytes: u64, attempt: usize) -> Got {
        self.size = Some(bytes);
        self.have = bytes;
        let (state, fetched) = match attempt {
            0 => (BlobState::Cached, 0),
            _ => (BlobState::Fetched, bytes),
        };
        self.report(state).await;
        Got { bytes, fetched }
    }

    async fn report(&mut self, state: BlobState) {
        self.told = Some(Instant::now());
        let progress = Progress::Blob {
            digest: self.digest,
            size: self.size,
            have: self.have,
            state,
        };
        self.pull.report(progress).await;
    }
}
