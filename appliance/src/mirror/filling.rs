//! A blob on its way into a file, while any number of clients read along.
//!
//! The file is the buffer. The task writes what arrives and moves the readers' horizon; it waits for nobody who reads.
//! Promises: the last bytes stay behind the horizon until the digest matches; a file that cannot go on detaches its
//! readers, who go on from where the hash stands; a download that ends early leaves its partial for the next. Must not
//! know: who reads, where the download comes from.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{
    Reason, Unserved,
    download::{Arrived, Download, gather},
    fill::Flying,
    outset::{Cargo, Horizon},
    route::Outlook,
};
use crate::{
    cache::{Fill, VerifiedFill},
    delivery::Ended,
    memory::Buffer,
    source::{SourceName, chain},
};

/// Bytes written at a time, at most: large enough that the hop to a writing thread does not show, small
/// enough that readers follow closely.
const BATCH: usize = 1 << 20;

/// How long a write may take. A disk that is merely busy answers within seconds.
const DISK_PATIENCE: Duration = Duration::from_secs(20);

/// The file's side of a fill.
pub(super) struct Filling<'a> {
    flying: &'a Flying,
    horizon: Horizon,
    size: Option<u64>,
}

impl<'a> Filling<'a> {
    /// `size` is the whole blob's, where it is known.
    pub(super) fn new(flying: &'a Flying, size: Option<u64>) -> Self {
        Self {
            flying,
            horizon: Horizon::new(size),
            size,
        }
    }

    /// All of it. `download` is absent when there is a partial file to begin with.
    pub(super) async fn run(self, fill: Fill, download: Option<Download>) -> Result<(), Unserved> {
        let (fill, mut download) = match download {
            Some(download) => (fill, download),
            None => match self.resume(fill).await? {
                Some(resumed) => resumed,
                None => return Ok(()),
            },
        };
        let source = download.source().map(|source| source.name().clone());
        self.depart(&fill, source);
        match self.receive(fill, &mut download).await? {
            Some(fill) => self.land(fill, download).await,
            None => Ok(()),
        }
    }

    fn depart(&self, fill: &Fill, source: Option<SourceName>) {
        let cargo = Cargo::Growing {
            file: fill.file(),
            size: self.size,
            growth: self.horizon.growth.clone(),
        };
        self.flying.depart(cargo, source);
    }

    /// Hashes what an earlier fill left, and asks for the rest. Nothing, if it cannot be read: then it has passed.
    async fn resume(&self, mut fill: Fill) -> Result<Option<(Fill, Download)>, Unserved> {
        let adopted = fill.len();
        let whole = self.size == Some(adopted);
        let early = self.size.is_some() && (whole || self.flying.route.outlook() != Outlook::Down);
        if early {
            // What is here can be read as soon as it was hashed, before the upstream is asked for the rest.
            self.depart(&fill, None);
        }
        let mut hashed = 0;
        while hashed < adopted {
            hashed = match timeout(DISK_PATIENCE, fill.rehash_part()).await {
                Ok(Ok(hashed)) => hashed,
                Ok(Err(error)) => {
                    tracing::warn!(digest = %self.flying.digest, error = %chain(&error), "what is here of it cannot be read, passing through");
                    if early {
                        self.detach(fill, self.size);
                    } else {
                        fill.discard();
                        self.flying.pass_anew().await?;
                    }
                    return Ok(None);
                }
                Err(_) => return Err(self.failed(self.stalled())),
            };
            self.horizon.advance(hashed);
            self.flying.mirror.0.beat.step();
        }
        let mut download = self.flying.download(adopted).of_size(self.size);
        if !whole {
            let patience = self.flying.mirror.rules().settings.first_byte;
            let opened = download.open(Instant::now() + patience).await;
            opened.map_err(|unserved| self.failed(unserved))?;
        }
        Ok(Some((fill, download)))
    }

    /// Writes what arrives, to the end. Nothing, if the disk does not take it: then the rest passes.
    async fn receive(&self, mut fill: Fill, download: &mut Download) -> Result<Option<Fill>, Unserved> {
        let mut arrived = Vec::new();
        let mut ended = gather(download, &mut arrived, BATCH).await;
        loop {
            match ended {
                Ok(Arrived::All) => return Ok(Some(fill)),
                Ok(Arrived::Some) => {}
                // The partial file stays: the next who asks goes on from there.
                Err(unserved) => return Err(self.failed(unserved)),
            }
            let batch = std::mem::take(&mut arrived);
            // What arrives meanwhile is gathered while this is hashed and written.
            let write = async {
                let written = timeout(DISK_PATIENCE, fill.append(batch)).await;
                self.horizon.advance(fill.len());
                self.flying.mirror.0.beat.step();
                written
            };
            let (written, next) = tokio::join!(write, gather(download, &mut arrived, BATCH));
            ended = next;
            match written {
                Ok(Ok(emptied)) => reuse(&mut arrived, emptied),
                // Nothing says what is in the file: its readers are better off with a reset than with silence.
                Err(_) => return Err(self.failed(self.stalled())),
                Ok(Err(error)) => {
                    tracing::warn!(digest = %self.flying.digest, at = fill.len(), error = %chain(&error), "storing stopped, passing through");
                    self.detach(fill, self.size.or(download.size()));
                    return Ok(None);
                }
            }
        }
    }

    /// All of it is here: is it what its name says?
    async fn land(&self, fill: Fill, download: Download) -> Result<(), Unserved> {
        let length = fill.len();
        match fill.verify() {
            Ok(verified) => {
                self.publish(verified, length).await;
                Ok(())
            }
            Err(mismatch) => {
                let suspects = &self.flying.mirror.0.suspects;
                suspects.blame(&self.flying.digest, download.contributors());
                let unserved = Unserved::new(Reason::Untrustworthy, mismatch.to_string());
                Err(self.failed(unserved))
            }
        }
    }

    async fn publish(&self, verified: VerifiedFill, length: u64) {
        let mirror = &self.flying.mirror.0;
        // Before clients can have the last byte: what they were given whole is not lost by an orderly end.
        let _storing = mirror.storing.token();
        mirror.suspects.clear(&self.flying.digest);
        self.horizon.growth.end(Ended::Whole(length));
        match verified.publish().await {
            Ok(_) => mirror.metrics.fill_completed(),
            Err(error) => {
                tracing::warn!(digest = %self.flying.digest, error = %chain(&error), "not stored");
                mirror.metrics.fill_unstored();
            }
        }
    }

    /// The file cannot go on: its readers do, from where the hash stands.
    fn detach(&self, fill: Fill, size: Option<u64>) {
        self.flying.mirror.0.metrics.fill_unstored();
        let (hasher, at) = fill.hashed();
        let onward = self.flying.onward(hasher, at, size, None);
        self.horizon.growth.end(Ended::Detached { at, onward });
        fill.discard();
    }

    fn stalled(&self) -> Unserved {
        let message = format!(
            "the disk has not moved a byte of {} for {DISK_PATIENCE:?}",
            self.flying.digest
        );
        let busy = Reason::Busy {
            retry_after: DISK_PATIENCE,
        };
        Unserved::new(busy, message)
    }

    fn failed(&self, unserved: Unserved) -> Unserved {
        self.horizon.growth.end(Ended::Failed(unserved.message.clone()));
        unserved
    }
}

/// Gives the batch's memory back to the gatherer if that has none of its own.
fn reuse(arrived: &mut Vec<Buffer>, emptied: Vec<Buffer>) {
    if arrived.capacity() == 0 {
        *arrived = emptied;
    }
}
