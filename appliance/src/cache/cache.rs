//! The cache as the mirror sees it.
//!
//! Reads are synchronous and take microseconds; writes are durable when their future resolves and are carried
//! out even if it is dropped.

use std::{
    collections::HashSet,
    fmt, io,
    sync::{Arc, Weak, atomic::AtomicU64},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    clock::{Clock, Timestamp},
    oci::{Digest, Links, Manifest, Repository, Tag},
    source::chain,
};

use super::{
    admission::Admission,
    content::{Content, ImageRow, Presence, ReferrersRecord, TagRecord, Unfinished, VerifiedBytes},
    disk::{Disk, Space},
    error::{CacheError, Kind},
    files,
    fill::Fill,
    index::{Command, Found, Index, Kept, Place, Refresh, State, Wrong},
    inspection::Distrusted,
    layout::Layout,
    lock,
    options::Options,
    pressure::Pressure,
    recovery::{Recovery, recover},
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
    inline_below: u64,
    high: f64,
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
    /// Whether content may go into the index. Refused above the stop mark, as a file would be.
    fn admit_inline(&self, digest: &Digest, size: u64) -> Result<(), CacheError> {
        let space = self.disk.space(&self.layout.dir).unwrap_or_default();
        let admitted = self
            .admission
            .admit_inline(digest, size, space, &self.index.sums()?);
        self.look_at_marks(space);
        admitted
    }

    /// The file of what was taken off the list is there if that seemed to fail: the next collection looks after it.
    fn leave_adrift(&self, digest: &Digest) {
        if self.layout.blob(digest).exists() {
            self.adrift.lock().insert(*digest);
        }
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

impl Cache {
    /// Opens the cache in its folder, making it if need be. Fails when another process uses it, when it was
    /// written by a newer program, or when the path cannot be a folder; not for the state of its disk.
    pub async fn open(options: Options, clock: Clock) -> Result<Self, CacheError> {
        let dir = options.dir.clone();
        match tokio::task::spawn_blocking(move || Inner::open(options, &clock)).await {
            Ok(inner) => {
                let inner = Arc::new(inner?);
                tokio::spawn(adopt_when_lost(inner.index.lost(), Arc::downgrade(&inner)));
                Ok(Self { inner })
            }
            Err(error) => Err(CacheError::new("open the cache", &dir.display(), Kind::Io, error)),
        }
    }

    /// Brings files and index together, in the background and while serving. Call it once after opening.
    pub async fn recover(&self) -> Recovery {
        let inner = self.inner.clone();
        let recover = move || {
            // The folder can have been another one when it was opened.
            inner.count_leftovers();
            recover(&inner)
        };
        tokio::task::spawn_blocking(recover).await.unwrap_or_default()
    }

    /// Blobs smaller than this many bytes are for [`Cache::put_small`], others for [`Cache::begin_fill`].
    pub fn inline_below(&self) -> u64 {
        self.inner.inline_below
    }

    pub fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Presence, CacheError> {
        let content = match self.inner.index.blob(repository, digest)? {
            Found::Hidden => return Ok(Presence::Hidden),
            found => self.content(digest, found)?,
        };
        Ok(content.map_or(Presence::Absent, Presence::Here))
    }

    /// A blob for a repository whose upstream has *just now* been shown to have it, whether or not the index
    /// has written that down yet.
    pub fn proven(&self, digest: &Digest) -> Result<Option<Content>, CacheError> {
        let found = self.inner.index.blob_of_any(digest)?;
        self.content(digest, found)
    }

    fn content(&self, digest: &Digest, found: Found) -> Result<Option<Content>, CacheError> {
        let inner = &self.inner;
        let size = match found {
            Found::Absent | Found::Hidden => return Ok(None),
            Found::Inline(bytes) => return Ok(Some(Content::Inline(bytes))),
            Found::File { size } => size,
            Found::Damaged => {
                self.drop_damaged(digest);
                return Ok(None);
            }
        };
        match files::open(&inner.disk, &inner.layout, digest, size) {
            Ok(files::Opened::Blob(blob)) => Ok(Some(Content::File(blob))),
            Ok(files::Opened::Strange { found }) => {
                tracing::warn!(%digest, "what lies in a listed blob's place is no plain file: it is taken off the list");
                let found = Some(found);
                inner.index.suggest(Command::Lost {
                    digest: *digest,
                    found,
                });
                Ok(None)
            }
            Ok(files::Opened::Lost { found }) => {
                tracing::warn!(%digest, ?found, size, "a listed blob is not what it was: it is taken off the list");
                inner.index.suggest(Command::Lost {
                    digest: *digest,
                    found,
                });
                Ok(None)
            }
            Err(error) => Err(CacheError::io("open the blob", digest, error)),
        }
    }

    /// A manifest that this repository's upstream has been shown to have.
    pub fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Option<Manifest>, CacheError> {
        match self.inner.index.manifest(repository, digest)? {
            Some(Ok(manifest)) => Ok(Some(manifest)),
            Some(Err(Wrong)) => {
                self.drop_damaged(digest);
                Ok(None)
            }
            None => Ok(None),
        }
    }

    pub fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<TagRecord>, CacheError> {
        self.inner.index.tag(repository, tag)
    }

    /// The tags the cache knows of, sorted.
    pub fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, CacheError> {
        self.inner.index.tags(repository)
    }

    pub fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<ReferrersRecord>, CacheError> {
        self.inner.index.referrers(repository, subject)
    }

    /// Every tag of every repository. Reads the whole list: for people, not for requests.
    pub fn images(&self) -> Result<Vec<ImageRow>, CacheError> {
        self.inner.index.images()
    }

    /// Stores a manifest and shows it to the repository. Its bytes are checked against its digest once more:
    /// nothing wrong is ever stored.
    pub async fn put_manifest(&self, repository: &Repository, manifest: &Manifest) -> Result<(), CacheError> {
        const OPERATION: &str = "store the manifest";
        let digest = manifest.digest;
        VerifiedBytes::check(digest, manifest.bytes.clone())
            .map_err(|mismatch| CacheError::new(OPERATION, &digest, Kind::Corrupt, mismatch))?;
        self.inner.admit_inline(&digest, manifest.bytes.len() as u64)?;
        let now = self.inner.clock.now();
        // Until it is listed, so that no plan takes it or what it needs: afterwards every plan knows of it.
        let links = Links::of(&manifest.bytes).unwrap_or_default();
        let needed = links.blobs.iter().chain(&links.manifests);
        let _needed: Vec<Lease> = needed
            .map(|link| &link.digest)
            .chain(&links.subject)
            .chain([&digest])
            .map(|digest| self.inner.uses.need(digest, now))
            .collect();
        let command = Command::Manifest {
            repository: repository.clone(),
            manifest: manifest.clone(),
        };
        let known = self.inner.index.blob_row(&digest);
        let had_file = known.is_ok_and(|row| row.is_some_and(|row| row.place == Place::File));
        let stored = self.change(command, OPERATION, &digest).await;
        if had_file {
            self.inner.leave_adrift(&digest);
        }
        stored?;
        self.inner.uses.used(&digest, now);
        Ok(())
    }

    /// Remembers what a tag stands for. When only `checked` changes, it is readable at once and written
    /// within minutes; see [`super`].
    pub async fn put_tag(
        &self,
        repository: &Repository,
        tag: &Tag,
        digest: Digest,
        checked: Timestamp,
    ) -> Result<(), CacheError> {
        let index = &self.inner.index;
        // A plan that was made before does not know that it stands for this.
        let _needed = self.inner.uses.need(&digest, self.inner.clock.now());
        if index
            .tag(repository, tag)?
            .is_some_and(|known| known.digest == digest)
            && index.fresh().keep(repository, tag, Refresh { digest, checked }) == Kept::Here
        {
            return Ok(());
        }
        let command = Command::Tag {
            repository: repository.clone(),
            tag: tag.clone(),
            digest,
            checked,
        };
        self.change(command, "store the tag", tag).await?;
        index.fresh().forget(repository, tag);
        Ok(())
    }

    pub async fn forget_tag(&self, repository: &Repository, tag: &Tag) -> Result<(), CacheError> {
        self.inner.index.fresh().forget(repository, tag);
        let command = Command::ForgetTag {
            repository: repository.clone(),
            tag: tag.clone(),
        };
        self.change(command, "forget the tag", tag).await
    }

    /// Stores a blob inside the index and shows it to the repository.
    pub async fn put_small(&self, repository: &Repository, content: VerifiedBytes) -> Result<(), CacheError> {
        let digest = *content.digest();
        self.inner.admit_inline(&digest, content.bytes().len() as u64)?;
        // It may be listed already, and about to go.
        let _needed = self.inner.uses.need(&digest, self.inner.clock.now());
        let command = Command::Small {
            repository: repository.clone(),
            digest,
            bytes: content.bytes().clone(),
        };
        self.change(command, "store the blob", &digest).await?;
        self.inner.uses.used(&digest, self.inner.clock.now());
        Ok(())
    }

    pub async fn put_referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
        index: Bytes,
        checked: Timestamp,
    ) -> Result<(), CacheError> {
        let command = Command::Referrers {
            repository: repository.clone(),
            subject: *subject,
            index,
            checked,
        };
        self.change(command, "store the referrers of", subject).await
    }

    /// The repository's upstream has been shown to have a blob: from now on it may see it here. Nothing
    /// happens if the blob is not cached.
    pub async fn show(&self, repository: &Repository, digest: &Digest) -> Result<(), CacheError> {
        let command = Command::Show {
            repository: repository.clone(),
            digest: *digest,
        };
        self.change(command, "show the blob", digest).await
    }

    /// Takes a blob or manifest off the list, for every repository, and then removes its file. Works on a
    /// full disk. Tags that stand for it stay.
    pub async fn evict(&self, digest: &Digest) -> Result<(), CacheError> {
        let evicted = self
            .change(Command::Evict { digest: *digest }, "evict", digest)
            .await;
        self.inner.leave_adrift(digest);
        evicted
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

    /// What an earlier fill left of a blob that nobody fills now.
    pub fn partial(&self, digest: &Digest) -> Option<Unfinished> {
        let inner = &self.inner;
        let listed = inner.index.fill(digest).ok().flatten()?;
        let whole = || std::fs::metadata(inner.layout.blob(digest)).map(|file| file.len());
        let have = match std::fs::metadata(inner.layout.fill(digest)) {
            Ok(file) => listed.row.trusted(file.len(), inner.disk.boot()),
            // A crash between its renaming and its row: it is whole, and was synced.
            Err(_) => whole().ok()?,
        };
        Some(Unfinished {
            have,
            repository: listed.repository,
            digest: *digest,
            size: listed.row.size,
        })
    }

    /// Partials that nobody fills now, and what a fill would adopt of each.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, CacheError> {
        let inner = &self.inner;
        let boot = inner.disk.boot();
        let mut unfinished = Vec::new();
        for listed in inner.index.fills()? {
            let file = std::fs::metadata(inner.layout.fill(&listed.digest));
            if let Ok(metadata) = file
                && !inner.admission.is_running(&listed.digest)
            {
                unfinished.push(Unfinished {
                    have: listed.row.trusted(metadata.len(), boot),
                    repository: listed.repository,
                    digest: listed.digest,
                    size: listed.row.size,
                });
            }
        }
        Ok(unfinished)
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

    /// Whether the cache stores; [`Cache::stats`] without the rest.
    pub fn state(&self) -> State {
        self.inner.index.state()
    }

    /// Writes what was kept back and closes the index cleanly. Afterwards the cache finds nothing and
    /// stores nothing.
    pub async fn close(&self) {
        self.save_uses().await;
        self.inner.index.close().await;
    }

    /// What is damaged is absent, and is fetched again.
    fn drop_damaged(&self, digest: &Digest) {
        tracing::error!(%digest, "inline content is not what its digest says: it is dropped");
        self.inner.index.suggest(Command::Evict { digest: *digest });
    }

    async fn change(
        &self,
        command: Command,
        operation: &'static str,
        subject: &(dyn fmt::Display + Sync),
    ) -> Result<(), CacheError> {
        let result = self.inner.index.ask(command).await;
        result
            .map(|_| ())
            .map_err(|error| error.during(operation, subject))
    }
}

/// An index that was found damaged in use is set aside, and the empty one does not know the blobs: they are
/// adopted without waiting for the next start. Ends with the cache.
async fn adopt_when_lost(lost: Arc<Notify>, inner: Weak<Inner>) {
    loop {
        lost.notified().await;
        let Some(inner) = inner.upgrade() else { return };
        // An error is a panic in it, which was reported where it happened.
        let _ = tokio::task::spawn_blocking(move || recover(&inner)).await;
    }
}
