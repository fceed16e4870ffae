//! Files and index compared while the cache is in use, piece by piece.
//!
//! Who walks through the folders is elsewhere; here is what follows from what was seen. Both sides are in the order
//! of digests, so that a piece of one is compared with the same stretch of the other, in bounded memory.
//!
//! | found | done |
//! |---|---|
//! | a row whose file is missing or of another length | off the list, after the writer has looked again |
//! | a file without a row | condemned: its caller removes it |
//! | a partial that nobody has filled for long, or without a row, or of a blob that is listed | removed |
//! | a fill's row without a file | removed |
//!
//! A file without a row is not adopted: the recovery has adopted what a crash or a lost index left, and what has come
//! since was evicted, or is somebody's doing.
//!
//! Promises: what is being filled, published or removed is left alone, and so is what is young; while the index is in
//! memory, or was lost and its files are not adopted yet, no file is removed; nobody fills what is condemned. Must
//! not know: who reads the files.

use std::{collections::BTreeSet, sync::atomic::Ordering::SeqCst, time::Duration};

use parking_lot::Mutex;

use crate::{clock::Timestamp, oci::Digest};

use super::{
    admission::Doom,
    cache::{Cache, Inner},
    collection::{Condemned, carry_out},
    error::{CacheError, Kind},
    index::{Command, Done, Guard, Place, Standing, Unit},
};

const OPERATION: &str = "inspect";
/// Changes sent to the writer at once.
const BATCH: usize = 64;
/// Files that are remembered as not to be read.
const MOST_DISTRUSTED: usize = 1000;

/// A file as it was seen a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub digest: Digest,
    /// In bytes; `None`: it is there, and cannot be looked at.
    pub size: Option<u64>,
    /// Since it was written, as far as clocks can be believed.
    pub age: Option<Duration>,
}

/// A stretch of the list: what comes after one digest, up to and including another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// `None`: from the first.
    pub after: Option<Digest>,
    /// `None`: to the last.
    pub until: Option<Digest>,
}

/// How old what nobody wants has to be.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// A file without a row.
    pub orphan: Duration,
    /// A partial that could be continued.
    pub partial: Duration,
}

/// How files and list differed in a stretch.
#[derive(Debug, Default)]
pub struct Differences {
    /// Blobs that are off the list now, because their files are missing or of another length.
    pub lost: Vec<Digest>,
    /// Files without a row, to be removed.
    pub orphans: Vec<Condemned>,
    /// Files without a row that are left alone for now.
    pub left: u64,
}

/// What became of partials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partials {
    pub removed: u64,
    /// Of those that were removed.
    pub bytes: u64,
    /// Rows of fills that had no file.
    pub rows: u64,
}

/// Files that cannot be read. Each stays where it is until another takes its name.
#[derive(Debug, Default)]
pub(super) struct Distrusted(Mutex<BTreeSet<Digest>>);

impl Distrusted {
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.0.lock().contains(digest)
    }

    pub(super) fn remove(&self, digest: &Digest) {
        self.0.lock().remove(digest);
    }

    fn insert(&self, digest: Digest) {
        let mut known = self.0.lock();
        if known.len() < MOST_DISTRUSTED {
            known.insert(digest);
        }
    }
}

impl Cache {
    /// Whether a file without a row is one that nobody wants: the index is on the disk, and all that a crash or its
    /// loss has left is adopted.
    pub fn is_settled(&self) -> bool {
        let standing = self.inner.index.standing();
        standing.is_some_and(|standing| self.inner.is_settled(standing))
    }

    /// Compares what was `seen` under `blobs/`, in order, with a stretch of the list. Rows without their files are off
    /// the list when this is done.
    pub async fn compare(
        &self,
        stretch: Stretch,
        seen: Vec<Seen>,
        ages: Ages,
    ) -> Result<Differences, CacheError> {
        let inner = self.inner.clone();
        blocking(move || Comparison::new(&inner, ages)?.run(stretch, &seen)).await
    }

    /// Does what is to be done with what was `seen` under `fill/`.
    pub async fn compare_partials(&self, seen: Vec<Seen>, ages: Ages) -> Result<Partials, CacheError> {
        let inner = self.inner.clone();
        blocking(move || Comparison::new(&inner, ages)?.partials(&seen)).await
    }

    /// Removes the rows of fills that nobody fills and that have no file.
    pub async fn forget_lost_fills(&self, ages: Ages) -> Result<Partials, CacheError> {
        let inner = self.inner.clone();
        blocking(move || Comparison::new(&inner, ages)?.fill_rows()).await
    }

    /// Takes blobs off the list, for every repository, whose files are wrong: as far as they are listed, were so at
    /// `since`, and nobody fills them. The files are to be removed.
    pub async fn condemn(
        &self,
        digests: Vec<Digest>,
        since: Timestamp,
    ) -> Result<Vec<Condemned>, CacheError> {
        let inner = self.inner.clone();
        let units = blocking(move || {
            let mut units = Vec::new();
            for digest in digests {
                let row = inner.index.blob_row(&digest)?;
                if row.is_some_and(|row| row.place == Place::File && row.created <= since) {
                    units.push(Unit {
                        tags: Vec::new(),
                        freed: vec![digest],
                        after: Vec::new(),
                    });
                }
            }
            Ok(units)
        });
        let units = units.await?;
        if units.is_empty() {
            return Ok(Vec::new());
        }
        let (taken, _) = carry_out(&self.inner, units, Guard::Nothing).await?;
        Ok(taken.files)
    }

    /// Takes a blob off the list whose file cannot be read. The file stays, and is not read again. Whether it was
    /// listed.
    pub async fn distrust(&self, digest: Digest, since: Timestamp) -> Result<bool, CacheError> {
        // Before anybody can begin to fill it.
        self.inner.distrusted.insert(digest);
        Ok(!self.condemn(vec![digest], since).await?.is_empty())
    }

    /// Files that cannot be read.
    pub fn distrusted(&self) -> Vec<Digest> {
        self.inner.distrusted.0.lock().iter().copied().collect()
    }

    /// An earlier process could not read these.
    pub fn remember_distrusted(&self, digests: impl IntoIterator<Item = Digest>) {
        for digest in digests {
            self.inner.distrusted.insert(digest);
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CacheError> + Send + 'static,
) -> Result<T, CacheError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(CacheError::new(OPERATION, &"", Kind::Io, error)))
}

impl Inner {
    fn is_settled(&self, standing: Standing) -> bool {
        self.adopted.load(SeqCst) == standing.losses
    }
}

/// Under one index. Blocks.
struct Comparison<'a> {
    inner: &'a Inner,
    ages: Ages,
    standing: Standing,
    found: Differences,
    /// With the file's length, if there is one.
    lost: Vec<(Doom, Option<u64>)>,
}

impl<'a> Comparison<'a> {
    fn new(inner: &'a Inner, ages: Ages) -> Result<Self, CacheError> {
        let standing = inner.index.standing();
        Ok(Self {
            inner,
            ages,
            standing: standing.ok_or_else(|| inner.index.refusal().during(OPERATION, &"blobs"))?,
            found: Differences::default(),
            lost: Vec::new(),
        })
    }

    fn run(mut self, stretch: Stretch, seen: &[Seen]) -> Result<Differences, CacheError> {
        let mut files = seen.iter().peekable();
        let mut after = stretch.after;
        'rows: loop {
            let rows = self.inner.index.blobs_after(after.as_ref())?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(*last);
            for (digest, row) in rows {
                if stretch.until.is_some_and(|until| digest > until) {
                    break 'rows;
                }
                while let Some(file) = files.next_if(|file| file.digest < digest) {
                    self.unlisted(file)?;
                }
                let file = files.next_if(|file| file.digest == digest);
                match (row.place, file) {
                    (Place::Inline, Some(file)) => self.unlisted(file)?,
                    (Place::File, None) => self.lose(&digest, None),
                    (Place::File, Some(Seen { size: Some(size), .. })) if *size != row.size => {
                        self.lose(&digest, Some(*size));
                    }
                    (Place::Inline, None) | (Place::File, Some(_)) => {}
                }
            }
            self.take_off()?;
        }
        for file in files {
            self.unlisted(file)?;
        }
        self.take_off()?;
        Ok(self.found)
    }

    /// A file that no row needs.
    fn unlisted(&mut self, file: &Seen) -> Result<(), CacheError> {
        let inner = self.inner;
        let doom = if self.is_old(file, self.ages.orphan) && !inner.distrusted.contains(&file.digest) {
            inner.admission.doom_alone(&file.digest)
        } else {
            None
        };
        let Some(doom) = doom else {
            self.found.left += 1;
            return Ok(());
        };
        // It can have been published since it was seen. From now on it cannot.
        let row = inner.index.blob_row(&file.digest)?;
        if row.is_some_and(|row| row.place == Place::File) {
            return Ok(());
        }
        // What said so must have been the index that knows.
        if self.is_still_settled() {
            let size = file.size.unwrap_or(0);
            self.found.orphans.push(Condemned::new(doom, size));
        } else {
            self.found.left += 1;
        }
        Ok(())
    }

    fn is_old(&self, file: &Seen, least: Duration) -> bool {
        file.age.is_some_and(|age| age >= least)
    }

    fn is_still_settled(&self) -> bool {
        self.inner.index.standing() == Some(self.standing) && self.inner.is_settled(self.standing)
    }

    /// A row without its file. One that is being filled gets it, and one that is doomed goes anyway.
    fn lose(&mut self, digest: &Digest, found: Option<u64>) {
        if let Some(doom) = self.inner.admission.doom_alone(digest) {
            self.lost.push((doom, found));
        }
    }

    /// The writer looks at each file again. While this waits, nobody fills them.
    fn take_off(&mut self) -> Result<(), CacheError> {
        let lost = std::mem::take(&mut self.lost);
        for batch in lost.chunks(BATCH) {
            let commands = batch.iter().map(|(doom, found)| Command::Lost {
                digest: *doom.digest(),
                found: *found,
            });
            let answers = self.inner.index.ask_all_blocking(commands.collect());
            for ((doom, found), answer) in batch.iter().zip(answers) {
                let digest = doom.digest();
                if matches!(answer?, Done::Unlisted(_)) {
                    tracing::warn!(%digest, ?found, "a listed blob's file is not what it was: it is taken off the list");
                    self.found.lost.push(*digest);
                }
            }
        }
        Ok(())
    }

    fn partials(self, seen: &[Seen]) -> Result<Partials, CacheError> {
        let inner = self.inner;
        let mut done = Partials::default();
        for file in seen {
            let Some(_doom) = inner.admission.doom_alone(&file.digest) else {
                continue;
            };
            let row = inner.index.fill(&file.digest)?;
            let listed = inner.index.blob_row(&file.digest)?.is_some();
            let least = match &row {
                Some(_) if !listed => self.ages.partial,
                _ => self.ages.orphan,
            };
            if !self.is_old(file, least) || !self.is_still_settled() {
                continue;
            }
            let path = inner.layout.fill(&file.digest);
            let unlinked = inner.disk.unlink(&path);
            unlinked.map_err(|error| CacheError::io("remove", &path.display(), error))?;
            done.removed += 1;
            done.bytes += file.size.unwrap_or(0);
            if row.is_some() {
                self.end(file.digest)?;
            }
        }
        Ok(done)
    }

    fn fill_rows(self) -> Result<Partials, CacheError> {
        let inner = self.inner;
        let mut done = Partials::default();
        for fill in inner.index.fills()? {
            let Some(_doom) = inner.admission.doom_alone(&fill.digest) else {
                continue;
            };
            // One that was about to be published when the power went is whole under `blobs/`.
            let places = [inner.layout.fill(&fill.digest), inner.layout.blob(&fill.digest)];
            let is_gone = places
                .iter()
                .all(|path| matches!(inner.disk.stat(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound));
            if is_gone {
                self.end(fill.digest)?;
                done.rows += 1;
            }
        }
        Ok(done)
    }

    fn end(&self, digest: Digest) -> Result<(), CacheError> {
        let answers = self
            .inner
            .index
            .ask_all_blocking(vec![Command::FillEnded { digest }]);
        answers.into_iter().try_for_each(|answer| answer.map(|_| ()))
    }
}
