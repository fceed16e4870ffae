//! The cache as the mirror sees it.
//!
//! Reads are synchronous and take microseconds; writes are durable when their future resolves and are carried
//! out even if it is dropped.

use std::{
    collections::HashSet,
    fmt, io,
    sync::{Arc, atomic::AtomicU64},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Timestamp},
    heartbeat::Beat,
    oci::{Digest, Repository},
    source::chain,
};

use super::{
    admission::{Admission, Glance},
    disk::Disk,
    distrusted::Distrusted,
    error::{CacheError, Kind},
    fill::Fill,
    index::{Counters, Index, State},
    layout::Layout,
    lock,
    options::Options,
    pressure::Pressure,
    space::Space,
    stats::CacheStats,
    uses::{Lease, Log, Uses, fingerprint},
};

/// A cache in a folder. Clones are the same cache.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) inner: Arc<Inner>,
}

/// What the cache, its fills and its recovery share.
pub(super) struct Inner {
    pub(super) layout: Layout,
    pub(super) disk: Disk,
    pub(super) index: Index,
    pub(super) admission: Arc<Admission>,
    pub(super) uses: Arc<Uses>,
    pub(super) clock: Clock,
    log: Mutex<Log>,
    /// Blobs that were being taken off the list when the index failed: whether they are is not known.
    pub(super) adrift: Mutex<HashSet<Digest>>,
    /// Told when a fill found the cache above `high`, or no room at all.
    room_wanted: Arc<Notify>,
    /// Files that cannot be read, whatever their names say.
    pub(super) distrusted: Distrusted,
    /// The last loss of the index after which all whole files were adopted.
    pub(super) adopted: AtomicU64,
    /// Told when that is so.
    pub(super) settled: Arc<Notify>,
    inline_below: u64,
    pub(super) high: f64,
    pub(super) max_bytes: Option<u64>,
    pub(super) max_inodes: Option<u64>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cache({})", self.layout.dir.display())
    }
}

impl Inner {
    fn open(options: Options, clock: &Clock) -> Result<Self, CacheError> {
        let layout = Layout::new(&options.dir);
        let disk = options.disk;
        // A folder that cannot be one is a mistake in the configuration. One that cannot be written is a
        // state of the disk, which can pass: the index goes on trying.
        if let Err(error) = disk.create_folder(&layout.dir)
            && matches!(
                error.kind(),
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
            )
        {
            return Err(CacheError::io("open the cache", &layout.dir.display(), error));
        }
        let lock = match lock::take(&layout, &disk) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == Kind::Busy => return Err(error),
            // It cannot be written, then: the index will say so.
            Err(_) => None,
        };
        // Ours alone from here on, if it can be written at all.
        let disk = disk.with_ballast(&layout.dir);
        let index = Index::open(&layout, &disk, clock, lock)?;
        if let Ok(sums) = index.sums() {
            clock.not_before(Timestamp(sums.seen));
        }
        let uses = Arc::new(Uses::new(options.policy));
        let mut log = Log::new(layout.uses.clone(), disk.clone());
        log.read(&uses, clock.now());
        let inner = Self {
            admission: Admission::new(options.max_bytes, options.max_inodes, options.stop),
            uses,
            clock: clock.clone(),
            log: Mutex::new(log),
            adrift: Mutex::default(),
            room_wanted: Arc::default(),
            distrusted: Distrusted::default(),
            adopted: AtomicU64::new(u64::MAX),
            settled: Arc::default(),
            inline_below: options.inline_below,
            high: options.high,
            max_bytes: options.max_bytes,
            max_inodes: options.max_inodes,
            layout,
            disk,
            index,
        };
        // Before anybody asks for room.
        inner.count_leftovers();
        Ok(inner)
    }
}

impl Inner {
    /// The filesystem's room; of one that does not say, nothing is known.
    pub(super) fn glance(&self) -> Glance {
        let space = || self.disk.space(&self.layout.dir).unwrap_or_default();
        self.admission.glance(space)
    }

    /// Says that there should be room, when there is little.
    pub(super) fn look_at_marks(&self, space: Space) {
        let Ok(sums) = self.index.sums() else { return };
        let promised = self.admission.promised();
        let pressure = Pressure::of(space, &sums, promised, self.max_bytes, self.max_inodes);
        if pressure.worst() > self.high || self.admission.is_wanted() {
            self.room_wanted.notify_one();
        }
    }
}

impl Inner {
    /// What follows from an error at writing content of which so many bytes are still to come. Where it says that
    /// there is no room, somebody is told to make some.
    pub(super) fn lacking(&self, error: &io::Error, left: u64) -> Kind {
        let kind = self.disk.lacking(error, &self.layout.fills);
        if let Kind::Full(_) = kind {
            self.admission.refused(left);
            self.room_wanted.notify_one();
        }
        kind
    }
}

impl Cache {
    /// Opens the cache in its folder, making it if need be. Fails when another process uses it, when it was
    /// written by a newer program, or when the path cannot be a folder; not for the state of its disk.
    pub async fn open(options: Options, clock: Clock) -> Result<Self, CacheError> {
        let dir = options.dir.clone();
        match tokio::task::spawn_blocking(move || Inner::open(options, &clock)).await {
            Ok(inner) => Ok(Self {
                inner: Arc::new(inner?),
            }),
            Err(error) => Err(CacheError::new("open the cache", &dir.display(), Kind::Io, error)),
        }
    }

    /// Blobs smaller than this many bytes are for [`Cache::put_small`], others for [`Cache::begin_fill`].
    pub fn inline_below(&self) -> u64 {
        self.inner.inline_below
    }

    /// Content was given to somebody: it is worth more from now on.
    pub fn used(&self, digest: &Digest) {
        self.inner.uses.used(digest, self.inner.clock.now());
    }

    /// When content was given to somebody last, or stored, as far as that is remembered.
    pub fn last_use(&self, digest: &Digest) -> Option<Timestamp> {
        self.inner.uses.last_use(fingerprint(digest))
    }

    /// A blob is being given to somebody: it stays until the lease is dropped.
    pub fn lease(&self, digest: &Digest) -> Lease {
        let now = self.inner.clock.now();
        self.inner.uses.used(digest, now);
        self.inner.uses.lease(digest, now)
    }

    /// Writes what was used when, as far as it changed. For every few minutes, and for the end.
    pub async fn save_uses(&self) {
        let inner = self.inner.clone();
        let saved = tokio::task::spawn_blocking(move || inner.log.lock().write(&inner.uses)).await;
        if let Ok(Err(error)) = saved {
            tracing::warn!(cause = %chain(&error), "what was used is not written for now");
        }
    }

    /// Told when somebody should make room: a fill found the cache above its high mark.
    pub fn room_wanted(&self) -> Arc<Notify> {
        self.inner.room_wanted.clone()
    }

    /// Begins to store a blob in a file, or goes on with what an earlier fill left of it.
    ///
    /// Refused with [`Kind::Busy`] while the same digest is being filled, and with [`Kind::Full`] when it
    /// would pass a limit; with an unknown size, when a limit is passed already.
    pub async fn begin_fill(
        &self,
        repository: &Repository,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Fill, CacheError> {
        let (inner, repository, digest) = (self.inner.clone(), repository.clone(), *digest);
        match tokio::task::spawn_blocking(move || Fill::begin(inner, repository, digest, size)).await {
            Ok(fill) => fill,
            Err(error) => Err(CacheError::new("begin to store", &digest, Kind::Io, error)),
        }
    }

    pub fn stats(&self) -> CacheStats {
        let inner = &self.inner;
        // While the index cannot be read it holds nothing that could be served.
        let sums = inner.index.sums().unwrap_or_default();
        CacheStats {
            blobs: sums.blobs,
            inline: sums.inline,
            manifests: sums.manifests,
            tags: sums.tags,
            bytes: sums.file_bytes + sums.inline_bytes,
            inline_bytes: sums.inline_bytes,
            files: sums.files,
            space: inner.disk.space(&inner.layout.dir).ok(),
            max_bytes: inner.max_bytes,
            max_inodes: inner.max_inodes,
            index_bytes: inner.index.file_length(),
            partials: sums.fills,
            filling: inner.admission.running(),
            abandoned: inner.admission.left(),
            condemned: inner.admission.doomed(),
            state: inner.index.state(),
            counters: inner.index.counters(),
        }
    }

    /// What the index's writer does with the changes that wait.
    pub fn beat(&self) -> Beat {
        self.inner.index.beat()
    }

    /// Whether the cache stores; [`Cache::stats`] without the rest.
    pub fn state(&self) -> State {
        self.inner.index.state()
    }

    /// What the index has done and where it failed; [`Cache::stats`] without the rest.
    pub fn counters(&self) -> Counters {
        self.inner.index.counters()
    }

    /// Writes what was kept back and closes the index cleanly. Afterwards the cache finds nothing and
    /// stores nothing.
    pub async fn close(&self) {
        self.save_uses().await;
        self.inner.index.close().await;
    }
}
