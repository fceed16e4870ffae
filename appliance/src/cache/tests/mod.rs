//! The room as a whole, on real files.
//!
//! A crash is a copy of the folder while it is in use, opened as another cache: what a killed process
//! leaves. A power cut is the same under another boot id.

mod ballast;
mod beats;
mod compaction;
mod crash;
pub(super) mod disk_full;
mod faults;
mod model;
mod plain;
mod room;

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::{
    clock::Clock,
    inspection,
    memory::Buffer,
    oci::{Algorithm, Digest, Manifest, MediaType, Repository, Tag},
};

pub(super) fn repository(name: &str) -> Repository {
    Repository {
        upstream: "docker.io".parse().expect("valid"),
        path: name.parse().expect("valid"),
    }
}

pub(super) fn tag(name: &str) -> Tag {
    name.parse().expect("valid")
}

/// Content that is not all the same, of a length, made from a seed.
pub(super) fn content(seed: u64, length: usize) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    random.fill(&mut bytes);
    bytes.into()
}

pub(super) fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

pub(super) fn manifest(text: &str) -> Manifest {
    Manifest {
        digest: digest(text.as_bytes()),
        media_type: MediaType::OCI_MANIFEST.parse().expect("valid"),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
    }
}

pub(super) fn small(bytes: &Bytes) -> VerifiedBytes {
    VerifiedBytes::check(digest(bytes), bytes.clone()).expect("its digest")
}

pub(super) fn clock() -> Clock {
    Clock::starting_at(Duration::from_secs(1_800_000_000))
}

pub(super) async fn open(options: Options) -> Cache {
    try_open(options).await.expect("opened")
}

/// Opens, waiting for an earlier cache in this process to have let go of the folder.
pub(super) async fn try_open(options: Options) -> Result<Cache, CacheError> {
    for _ in 0..200 {
        match Cache::open(options.clone(), clock()).await {
            Err(error) if error.kind() == Kind::Busy => tokio::time::sleep(Duration::from_millis(10)).await,
            other => return other,
        }
    }
    panic!("the folder stays locked");
}

pub(super) fn batch(bytes: &Bytes) -> Vec<Buffer> {
    bytes
        .chunks(10_000)
        .map(|part| Buffer::borrowed(Bytes::copy_from_slice(part)))
        .collect()
}

/// Fills and publishes a blob.
pub(super) async fn fill(cache: &Cache, name: &Repository, bytes: &Bytes) -> Result<BlobFile, CacheError> {
    let size = Some(bytes.len() as u64);
    let mut fill = cache.begin_fill(name, &digest(bytes), size).await?;
    fill.restart().await?;
    fill.append(batch(bytes)).await?;
    fill.verify().expect("matches").publish().await
}

/// The content a repository sees, if it sees any.
pub(super) fn seen(cache: &Cache, name: &Repository, digest: &Digest) -> Option<Vec<u8>> {
    match cache.blob(name, digest).expect("looked up") {
        Presence::Here(Content::Inline(bytes)) => Some(bytes.to_vec()),
        Presence::Here(Content::File(blob)) => Some(read(&blob)),
        Presence::Absent | Presence::Hidden => None,
    }
}

pub(super) fn read(blob: &BlobFile) -> Vec<u8> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; blob.size as usize];
    blob.file.read_exact_at(&mut bytes, 0).expect("read");
    bytes
}

/// What a crash would leave of a folder, as a folder of its own.
pub(super) fn crashed(dir: &Path) -> TempDir {
    let copy = tempfile::tempdir().expect("folder");
    copy_folder(dir, copy.path());
    copy
}

/// A folder in memory where there is one: for what syncs thousands of times.
pub(super) fn quick_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("folder")
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&target).expect("made");
            copy_folder(&entry.path(), &target);
        } else {
            // Files come and go while the folder is in use.
            if let Err(error) = copy_file(&entry.path(), &target) {
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
            }
        }
    }
}

/// A file as it is at one moment. A copy that is made while two transactions are committed holds the one's header and the
/// other's pages, which no crash leaves: what is the same twice was not written in between.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut before = fs::read(from)?;
    loop {
        let again = fs::read(from)?;
        if again == before {
            return fs::write(to, again);
        }
        before = again;
    }
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("listed")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

/// How much ballast there is depends on the disk.
pub(super) fn names_but_ballast(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| !name.starts_with("ballast-"));
    names
}

/// Waits for something that happens in the background.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

/// What a recovery found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// Whole files that are listed now, shown to the repository that had filled them, and hidden from every one.
    pub(super) listed: u64,
    pub(super) hidden: u64,
    /// Files that were not what their names say, and are gone.
    pub(super) damaged: u64,
    /// Rows whose file was missing or of another length, and are gone.
    pub(super) lost: u64,
    pub(super) partials: u64,
    pub(super) fills: u64,
    pub(super) unknown: Vec<String>,
    /// What could not be looked at or changed.
    pub(super) errors: u64,
}

impl Cache {
    /// Recovers, as the box does at its start. Who does it is above this room; what it leaves is this room's affair.
    pub(crate) async fn recover(&self) -> Recovery {
        let (clock, dir) = (self.inner.clock.clone(), &self.inner.layout.dir);
        let record = inspection::alone::recover(self, clock, dir, self.inner.disk.clone()).await;
        let Some(record) = record else {
            return Recovery::default();
        };
        let sums = record.sums;
        Recovery {
            listed: sums.shown,
            hidden: sums.hidden,
            damaged: sums.mismatched,
            lost: sums.lost,
            partials: sums.partials,
            fills: sums.fills,
            unknown: record.foreign_names,
            errors: sums.unreadable + u64::from(record.ending != inspection::Ending::Done),
        }
    }

    /// What the index knows of a fill: how much of it was synced.
    pub(super) fn inner_fill(&self, digest: &Digest) -> Option<(u64, Repository)> {
        let listed = self.inner.index.fill(digest).expect("read")?;
        Some((listed.row.synced, listed.repository))
    }
}

/// A rule of which calls fail.
type Rule = Box<dyn FnMut(Call, &Path) -> Option<Errno> + Send>;

/// A call that waits until it is let go.
pub(super) struct Held {
    reached: mpsc::Receiver<()>,
    // Dropping it lets the call go on.
    _hold: mpsc::Sender<()>,
}

impl Held {
    /// Waits until somebody makes the call.
    pub(super) async fn reached(self) -> Self {
        tokio::task::spawn_blocking(move || {
            self.reached
                .recv_timeout(Duration::from_secs(20))
                .expect("the call is made");
            self
        })
        .await
        .expect("waited")
    }
}

/// The other end: which call, and how it is held.
type Gate = (Call, &'static str, mpsc::Sender<()>, mpsc::Receiver<()>);

/// A disk whose faults change while it is used.
#[derive(Default)]
pub(super) struct Faulty {
    rule: Mutex<Option<Rule>>,
    gate: Mutex<Option<Gate>>,
    boot: Mutex<Option<BootId>>,
    space: Mutex<Option<Space>>,
    pub(super) calls: Mutex<HashMap<Call, u64>>,
    pub(super) failed: AtomicU64,
}

impl Faulty {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn disk(self: &Arc<Self>) -> Disk {
        Disk::with_faults(self.clone())
    }

    pub(super) fn fail(&self, rule: impl FnMut(Call, &Path) -> Option<Errno> + Send + 'static) {
        *self.rule.lock() = Some(Box::new(rule));
    }

    /// Holds the next such call on a file whose path ends so.
    pub(super) fn hold(&self, call: Call, end: &'static str) -> Held {
        let (reach, reached) = mpsc::channel();
        let (hold, held) = mpsc::channel();
        *self.gate.lock() = Some((call, end, reach, held));
        Held { reached, _hold: hold }
    }

    pub(super) fn heal(&self) {
        *self.rule.lock() = None;
    }

    pub(super) fn boot_as(&self, boot: u8) {
        *self.boot.lock() = Some(BootId([boot; 16]));
    }

    pub(super) fn space_is(&self, space: Space) {
        *self.space.lock() = Some(space);
    }
}

impl Faults for Faulty {
    fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        // A rule may hold a call for as long as a test likes; nobody who asks for the room waits for that.
        if call == Call::Space {
            return Ok(());
        }
        *self.calls.lock().entry(call).or_default() += 1;
        let is_held = |gate: &mut Gate| gate.0 == call && path.to_string_lossy().ends_with(gate.1);
        let gate = self.gate.lock().take_if(is_held);
        if let Some((_, _, reach, held)) = gate {
            let _ = reach.send(());
            // Until the other end is dropped.
            let _ = held.recv();
        }
        let fault = self.rule.lock().as_mut().and_then(|rule| rule(call, path));
        match fault {
            Some(errno) => {
                self.failed.fetch_add(1, Relaxed);
                Err(errno.into())
            }
            None => Ok(()),
        }
    }

    fn space(&self, real: Space) -> Space {
        self.space.lock().unwrap_or(real)
    }

    fn boot(&self, real: BootId) -> BootId {
        self.boot.lock().unwrap_or(real)
    }
}

/// A cache in a folder of its own, on a disk that can be made to fail.
pub(super) struct Bed {
    pub(super) dir: PathBuf,
    pub(super) faulty: Arc<Faulty>,
    _folder: Option<TempDir>,
}

impl Bed {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        Self {
            dir: folder.path().join("cache"),
            faulty: Faulty::new(),
            _folder: Some(folder),
        }
    }

    /// In a folder that is there already.
    pub(super) fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            faulty: Faulty::new(),
            _folder: None,
        }
    }

    pub(super) fn options(&self) -> Options {
        Options {
            disk: self.faulty.disk(),
            ..Options::new(&self.dir)
        }
    }

    pub(super) async fn open(&self) -> Cache {
        open(self.options()).await
    }
}
