//! A fill: one blob crossing the WAN into the cache, once for all who ask.
//!
//! From what is here already to who is asked, and where the blob goes: to memory, to a file ([`super::filling`]), or, when
//! nothing can be stored, through to those who wait. Must not know: who reads.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    Mirror, Reason, Unserved,
    download::{Download, Means},
    filling::Filling,
    flights::{Flight, Teller},
    held,
    outset::{Cargo, Departed, Grounded, Outset},
    pass::Pass,
    route::Route,
};
use crate::{
    cache::{CacheError, Content, Fill, Kind, Presence, VerifiedBytes},
    heartbeat::Beat,
    oci::{Digest, Hasher, Repository},
    source::{SourceName, chain},
};

/// How often, and how long apart, a digest that is busy is tried.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The part of a client's patience that the disk may take to begin a file.
const BEGINNING: u32 = 3;

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
                let _work = flying.mirror.0.beat.work();
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
            beat: inner.beat.clone(),
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

pub(super) struct Flying {
    pub(super) mirror: Mirror,
    repository: Repository,
    pub(super) digest: Digest,
    pub(super) route: Route,
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
            return Filling::new(self, size).run(fill, None).await;
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
                    Filling::new(self, size).run(fill, download).await
                }
                Err(error) => {
                    tracing::warn!(digest = %self.digest, error = %chain(&error), "passing through, not stored");
                    self.pass(download, size);
                    Ok(())
                }
            },
        }
    }

    pub(super) fn download(&self, from: u64) -> Download {
        Download::new(self.route.clone(), self.digest, from, self.mirror.means())
    }

    pub(super) fn depart(&self, cargo: Cargo, source: Option<SourceName>) {
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

    pub(super) fn onward(
        &self,
        hasher: Hasher,
        at: u64,
        size: Option<u64>,
        opened: Option<Download>,
    ) -> Arc<Pass> {
        // A pass is as slow as its reader.
        let means = Means {
            pool: self.mirror.0.budget.deliveries().clone(),
            beat: Beat::default(),
            ..self.mirror.means()
        };
        Pass::new(self.route.clone(), self.digest, (hasher, at), size, means, opened)
    }

    /// The same from the first byte on, while nobody reads yet.
    pub(super) async fn pass_anew(&self) -> Result<(), Unserved> {
        let mut download = self.download(0);
        let patience = self.mirror.rules().settings.first_byte;
        download.open(Instant::now() + patience).await?;
        let size = download.size();
        self.pass(download, size);
        Ok(())
    }
}
