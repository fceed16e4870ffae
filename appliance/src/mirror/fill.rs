//! A fill: one blob crossing the WAN into the cache, while any number of clients read along.
//!
//! The file is the buffer. The task writes what arrives and moves the readers' horizon; it waits for nobody
//! who reads. The last bytes stay behind the horizon until the digest matches.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    Mirror, Reason, Unserved,
    download::{Arrived, Download, Means, gather},
    flights::{Flight, Teller},
    held,
    outset::{Cargo, Departed, Grounded, Horizon, Outset},
    pass::Pass,
    route::{Outlook, Route},
};
use crate::{
    cache::{CacheError, Content, Fill, Kind, Presence, VerifiedBytes},
    delivery::Ended,
    memory::Buffer,
    oci::{Digest, Hasher, Repository},
    source::{SourceName, chain},
};

/// Bytes written at a time, at most: large enough that the hop to a writing thread does not show, small
/// enough that readers follow closely.
const BATCH: usize = 1 << 20;

/// How often, and how long apart, a digest that is busy is tried.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The part of a client's patience that the disk may take to begin a file.
const BEGINNING: u32 = 3;

/// How long a write may take. A disk that is merely busy answers within seconds.
const DISK_PATIENCE: Duration = Duration::from_secs(20);

impl Mirror {
    /// Joins the fill of a blob, or starts one for `repository`.
    pub(super) fn fill(&self, repository: &Repository, digest: &Digest, route: &Route) -> Flight<Outset> {
        self.0.blobs.join(*digest, |teller| {
            let flying = Flying {
                mirror: self.clone(),
                repository: repository.clone(),
                digest: *digest,
                route: route.clone().avoiding(self.0.suspects.of(digest)),
                teller,
            };
            async move {
                let _in_flight = flying.mirror.0.metrics.filling();
                flying.run().await;
            }
        })
    }

    fn means(&self) -> Means {
        let (inner, rules) = (&self.0, self.rules());
        Means {
            pool: inner.budget.transfers().clone(),
            pace: rules.settings.pace.clone(),
            patience: rules.settings.first_byte,
            suspects: inner.suspects.clone(),
        }
    }

    /// Waits until what clients were given whole is stored. For the end, after the last request.
    pub async fn stored(&self) {
        self.0.storing.close();
        self.0.storing.wait().await;
    }

    /// Goes on with the fills that an earlier process left, one after the other. For the start.
    pub async fn resume_fills(&self) {
        let unfinished = match self.0.cache.unfinished() {
            Ok(unfinished) => unfinished,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "unfinished fills cannot be listed");
                return;
            }
        };
        for left in unfinished {
            let Ok((_, route)) = self.rules().upstreams.route(&left.repository) else {
                continue;
            };
            tracing::info!(digest = %left.digest, repository = %left.repository, have = left.have, "fill resumed");
            self.fill(&left.repository, &left.digest, &route).landed().await;
        }
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
enum Unbegun {
    #[error(transparent)]
    Refused(#[from] CacheError),
    #[error("the disk has not begun a file for {within:?}")]
    Silent { within: Duration },
}

struct Flying {
    mirror: Mirror,
    repository: Repository,
    digest: Digest,
    route: Route,
    teller: Teller<Outset>,
}

impl Flying {
    async fn run(self) {
        if let Err(unserved) = self.fly().await {
            self.mirror.0.metrics.fill_failed(unserved.reason.into());
            tracing::warn!(digest = %self.digest, repository = %self.repository, reason = unserved.reason.word(), error = %unserved, "fill failed");
            self.teller.tell(Err(Grounded {
                repository: self.repository.clone(),
                unserved,
            }));
        }
    }

    async fn fly(&self) -> Result<(), Unserved> {
        let patience = self.mirror.rules().settings.first_byte;
        let deadline = Instant::now() + patience;
        // What is missing may be missed by manifests that were whole.
        self.mirror.0.gate.forget();
        if let Some(content) = self.kept(deadline).await? {
            self.depart(Cargo::Kept(content), None);
            return Ok(());
        }
        // A partial file is worth more than a fresh start, so it is looked for before anybody is asked.
        if let Some((fill, size)) = self.partial(deadline).await? {
            return self.to_file(fill, size, None).await;
        }
        let mut download = self.download(0);
        download.open(deadline).await?;
        match download.size() {
            Some(size) if size <= self.mirror.rules().settings.inline_below => {
                self.to_memory(download, size).await
            }
            size => match self.begin_soon(size).await {
                // An earlier fill may have left a file that the index had not heard of.
                Ok(fill) => {
                    let download = (fill.len() == 0).then_some(download);
                    self.to_file(fill, size, download).await
                }
                Err(error) => {
                    tracing::warn!(digest = %self.digest, error = %chain(&error), "passing through, not stored");
                    self.pass(download, size);
                    Ok(())
                }
            },
        }
    }

    fn download(&self, from: u64) -> Download {
        Download::new(self.route.clone(), self.digest, from, self.mirror.means())
    }

    fn depart(&self, cargo: Cargo, source: Option<SourceName>) {
        self.teller.tell(Ok(Departed {
            repository: self.repository.clone(),
            source,
            cargo,
        }));
    }

    /// Begins the file, if the disk does so while those who wait still do.
    async fn begin_soon(&self, size: Option<u64>) -> Result<Fill, Unbegun> {
        let within = self.mirror.rules().settings.first_byte / BEGINNING;
        match timeout(within, self.begin(size)).await {
            Ok(begun) => Ok(begun?),
            // What it comes to later is dropped where it is.
            Err(_) => Err(Unbegun::Silent { within }),
        }
    }

    /// Begins the file. The recovery after a start may hold a digest for the moment that it looks at it.
    async fn begin(&self, size: Option<u64>) -> Result<Fill, CacheError> {
        let mut tries = 0;
        loop {
            match self
                .mirror
                .0
                .cache
                .begin_fill(&self.repository, &self.digest, size)
                .await
            {
                Err(error) if error.kind() == Kind::Busy && tries < BUSY_TRIES => {
                    tries += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                begun => return begun,
            }
        }
    }

    /// The blob itself, when it is here: it landed a moment ago, or it is here for another repository and
    /// this one's upstream has it too.
    async fn kept(&self, deadline: Instant) -> Result<Option<Content>, Unserved> {
        let presence = || self.mirror.presence(&self.repository, &self.digest);
        match self.mirror.held(presence).await? {
            Presence::Here(content) => Ok(Some(content)),
            Presence::Absent => Ok(None),
            Presence::Hidden => {
                self.shown(deadline).await?;
                // A cache that cannot be read has nothing.
                let proven = || self.mirror.0.cache.proven(&self.digest).unwrap_or_default();
                self.mirror.held(proven).await
            }
        }
    }

    async fn shown(&self, deadline: Instant) -> Result<(), Unserved> {
        let shown = self
            .mirror
            .shown(&self.repository, &self.digest, &self.route, deadline);
        shown.await.map(|_| ())
    }

    /// A partial file that an earlier fill left, with the whole blob's size where it is known. One that was
    /// left for another repository is taken over only when this one's upstream has the blob too.
    async fn partial(&self, deadline: Instant) -> Result<Option<(Fill, Option<u64>)>, Unserved> {
        let Some(left) = self.mirror.0.cache.partial(&self.digest) else {
            return Ok(None);
        };
        if left.repository != self.repository {
            self.shown(deadline).await?;
        }
        let begun = self.begin_soon(left.size).await.ok();
        Ok(begun.filter(|fill| fill.len() > 0).map(|fill| (fill, left.size)))
    }

    /// Small content: fetched whole, verified, told, stored. A wrong one is asked for at the next source.
    async fn to_memory(&self, mut download: Download, size: u64) -> Result<(), Unserved> {
        // In range: at most `inline_below`.
        let size = size as usize;
        let room = self.mirror.0.budget.small().acquire(size, held::ROOM).await?;
        let mut bytes = Vec::with_capacity(size);
        while let Some(buffer) = download.next().await? {
            bytes.extend_from_slice(buffer.as_slice());
        }
        let source = download.source().map(|source| source.name().clone());
        let verified =
            VerifiedBytes::check(self.digest, room.share(Bytes::from(bytes))).map_err(|mismatch| {
                self.mirror
                    .0
                    .suspects
                    .blame(&self.digest, download.contributors());
                Unserved::new(Reason::Untrustworthy, mismatch.to_string())
            })?;
        let _storing = self.mirror.0.storing.token();
        self.depart(Cargo::Whole(verified.bytes().clone()), source);
        match self.mirror.0.cache.put_small(&self.repository, verified).await {
            Ok(()) => self.mirror.0.metrics.fill_completed(),
            Err(error) => {
                tracing::warn!(digest = %self.digest, error = %chain(&error), "not stored");
                self.mirror.0.metrics.fill_unstored();
            }
        }
        Ok(())
    }

    /// Nothing can be stored: those who wait, and those who join within the moment, pass through.
    fn pass(&self, download: Download, size: Option<u64>) {
        self.mirror.0.metrics.fill_unstored();
        let source = download.source().map(|source| source.name().clone());
        let onward = self.onward(Hasher::new(self.digest.algorithm()), 0, size, Some(download));
        self.depart(Cargo::Passing { size, onward }, source);
    }

    fn onward(&self, hasher: Hasher, at: u64, size: Option<u64>, opened: Option<Download>) -> Arc<Pass> {
        // A pass is as slow as its reader.
        let means = Means {
            pool: self.mirror.0.budget.deliveries().clone(),
            ..self.mirror.means()
        };
        Pass::new(self.route.clone(), self.digest, (hasher, at), size, means, opened)
    }

    /// The fill proper. `download` is absent when there is a partial file to begin with.
    async fn to_file(
        &self,
        mut fill: Fill,
        size: Option<u64>,
        download: Option<Download>,
    ) -> Result<(), Unserved> {
        let horizon = Horizon::new(size);
        let file = fill.file();
        let adopted = fill.len();
        let mut download = match download {
            Some(download) => download,
            None => {
                let whole = size == Some(adopted);
                let early = size.is_some() && (whole || self.route.outlook() != Outlook::Down);
                if early {
                    // What is here can be read as soon as it was hashed, before the upstream is asked for the rest.
                    self.depart(
                        Cargo::Growing {
                            file: file.clone(),
                            size,
                            growth: horizon.growth.clone(),
                        },
                        None,
                    );
                }
                let mut hashed = 0;
                while hashed < adopted {
                    hashed = match timeout(DISK_PATIENCE, fill.rehash_part()).await {
                        Ok(Ok(hashed)) => hashed,
                        Ok(Err(error)) => {
                            tracing::warn!(digest = %self.digest, error = %chain(&error), "what is here of it cannot be read, passing through");
                            if early {
                                self.detach(fill, &horizon, size);
                                return Ok(());
                            }
                            fill.discard();
                            return self.pass_anew().await;
                        }
                        Err(_) => return Err(self.failed(&horizon, self.stalled())),
                    };
                    horizon.advance(hashed);
                }
                let mut download = self.download(adopted).of_size(size);
                if !whole {
                    let patience = self.mirror.rules().settings.first_byte;
                    let opened = download.open(Instant::now() + patience).await;
                    opened.map_err(|unserved| self.failed(&horizon, unserved))?;
                }
                download
            }
        };
        let source = download.source().map(|source| source.name().clone());
        self.depart(
            Cargo::Growing {
                file,
                size,
                growth: horizon.growth.clone(),
            },
            source,
        );

        let mut arrived = Vec::new();
        let mut ended = gather(&mut download, &mut arrived, BATCH).await;
        loop {
            match ended {
                Ok(Arrived::All) => break,
                Ok(Arrived::Some) => {}
                // The partial file stays: the next who asks goes on from there.
                Err(unserved) => return Err(self.failed(&horizon, unserved)),
            }
            let batch = std::mem::take(&mut arrived);
            // What arrives meanwhile is gathered while this is hashed and written.
            let write = async {
                let written = timeout(DISK_PATIENCE, fill.append(batch)).await;
                horizon.advance(fill.len());
                written
            };
            let (written, next) = tokio::join!(write, gather(&mut download, &mut arrived, BATCH));
            ended = next;
            match written {
                Ok(Ok(emptied)) => reuse(&mut arrived, emptied),
                // Nothing says what is in the file: its readers are better off with a reset than with silence.
                Err(_) => return Err(self.failed(&horizon, self.stalled())),
                Ok(Err(error)) => {
                    tracing::warn!(digest = %self.digest, at = fill.len(), error = %chain(&error), "storing stopped, passing through");
                    self.detach(fill, &horizon, size.or(download.size()));
                    return Ok(());
                }
            }
        }
        let length = fill.len();
        match fill.verify() {
            Ok(verified) => {
                // Before clients can have the last byte: what they were given whole is not lost by an orderly end.
                let _storing = self.mirror.0.storing.token();
                self.mirror.0.suspects.clear(&self.digest);
                horizon.growth.end(Ended::Whole(length));
                match verified.publish().await {
                    Ok(_) => self.mirror.0.metrics.fill_completed(),
                    Err(error) => {
                        tracing::warn!(digest = %self.digest, error = %chain(&error), "not stored");
                        self.mirror.0.metrics.fill_unstored();
                    }
                }
                Ok(())
            }
            Err(mismatch) => {
                self.mirror
                    .0
                    .suspects
                    .blame(&self.digest, download.contributors());
                Err(self.failed(
                    &horizon,
                    Unserved::new(Reason::Untrustworthy, mismatch.to_string()),
                ))
            }
        }
    }

    /// The file cannot go on: its readers do, from where the hash stands.
    fn detach(&self, fill: Fill, horizon: &Horizon, size: Option<u64>) {
        self.mirror.0.metrics.fill_unstored();
        let (hasher, at) = fill.hashed();
        let onward = self.onward(hasher, at, size, None);
        horizon.growth.end(Ended::Detached { at, onward });
        fill.discard();
    }

    /// The same while nobody reads yet.
    async fn pass_anew(&self) -> Result<(), Unserved> {
        let mut download = self.download(0);
        let patience = self.mirror.rules().settings.first_byte;
        download.open(Instant::now() + patience).await?;
        let size = download.size();
        self.pass(download, size);
        Ok(())
    }

    fn stalled(&self) -> Unserved {
        let message = format!(
            "the disk has not moved a byte of {} for {DISK_PATIENCE:?}",
            self.digest
        );
        let busy = Reason::Busy {
            retry_after: DISK_PATIENCE,
        };
        Unserved::new(busy, message)
    }

    fn failed(&self, horizon: &Horizon, unserved: Unserved) -> Unserved {
        horizon.growth.end(Ended::Failed(unserved.message.clone()));
        unserved
    }
}

/// Gives the batch's memory back to the gatherer if that has none of its own.
fn reuse(arrived: &mut Vec<Buffer>, emptied: Vec<Buffer>) {
    if arrived.capacity() == 0 {
        *arrived = emptied;
    }
}
