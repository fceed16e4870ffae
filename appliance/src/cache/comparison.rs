//! A stretch of the list beside what was seen there, and what follows: see [`super::inspection`].
//!
//! Promises: under one index; when another takes its place meanwhile, nothing is removed any more. Must not know: who
//! has seen the files.

use std::{path::Path, time::Duration};

use crate::oci::Digest;

use super::{
    admission::Doom,
    cache::Inner,
    collection::Condemned,
    error::CacheError,
    index::{Command, Done, Place, Standing},
    inspection::{BATCH, Differences, OPERATION, Purpose, Seen, Stretch},
};

/// Under one index. Blocks.
pub(super) struct Comparison<'a> {
    inner: &'a Inner,
    purpose: Purpose,
    standing: Standing,
    found: Differences,
    /// With the file's length, if there is one.
    lost: Vec<(Doom, Option<u64>)>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(inner: &'a Inner, purpose: Purpose) -> Result<Self, CacheError> {
        let standing = inner.index.standing();
        Ok(Self {
            inner,
            purpose,
            standing: standing.ok_or_else(|| inner.index.refusal().during(OPERATION, &"blobs"))?,
            found: Differences::default(),
            lost: Vec::new(),
        })
    }

    pub(super) fn run(mut self, stretch: Stretch, seen: &[Seen]) -> Result<Differences, CacheError> {
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
                    self.unlisted(file, None)?;
                }
                let file = files.next_if(|file| file.digest == digest);
                match (row.place, file) {
                    (Place::Inline, Some(file)) => self.unlisted(file, Some(Place::Inline))?,
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
            self.unlisted(file, None)?;
        }
        self.take_off()?;
        Ok(self.found)
    }

    /// A file that no row needs.
    fn unlisted(&mut self, file: &Seen, row: Option<Place>) -> Result<(), CacheError> {
        let is_distrusted = self.inner.distrusted.contains(&file.digest);
        match self.purpose {
            _ if is_distrusted => self.found.left += 1,
            Purpose::Upkeep(ages) if is_old(file, ages.orphan) => self.condemn(file)?,
            Purpose::Recovery if row.is_none() && file.size.is_some() => {
                self.found.unlisted.push(file.digest);
            }
            Purpose::Upkeep(_) | Purpose::Recovery => self.found.left += 1,
        }
        Ok(())
    }

    fn condemn(&mut self, file: &Seen) -> Result<(), CacheError> {
        let inner = self.inner;
        let Some(doom) = inner.admission.doom_alone(&file.digest) else {
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

    pub(super) fn partials(self, seen: &[Seen]) -> Result<Vec<Condemned>, CacheError> {
        let inner = self.inner;
        let mut going = Vec::new();
        for file in seen {
            let Some(doom) = inner.admission.doom_alone(&file.digest) else {
                continue;
            };
            let row = inner.index.fill(&file.digest)?;
            let listed = inner.index.blob_row(&file.digest)?.is_some();
            let can_be_continued = row.is_some() && !listed;
            let goes = match self.purpose {
                Purpose::Upkeep(ages) if can_be_continued => is_old(file, ages.partial),
                Purpose::Upkeep(ages) => is_old(file, ages.orphan),
                // Without a row nothing says how much of it can be trusted, so that a fill would begin at its first
                // byte anyway.
                Purpose::Recovery => !can_be_continued,
            };
            if !goes || !self.is_sure() {
                continue;
            }
            if row.is_some() {
                self.end(file.digest)?;
            }
            going.push(Condemned::partial(doom, file.size.unwrap_or(0)));
        }
        Ok(going)
    }

    pub(super) fn fill_rows(self) -> Result<u64, CacheError> {
        let inner = self.inner;
        let mut ended = 0;
        for fill in inner.index.fills()? {
            let Some(_doom) = inner.admission.doom_alone(&fill.digest) else {
                continue;
            };
            let is_gone = |path: &Path| {
                let found = inner.disk.stat(path);
                matches!(found, Err(error) if error.kind() == std::io::ErrorKind::NotFound)
            };
            // One that was about to be published when the power went is whole under `blobs/`.
            let is_listed = || inner.index.blob_row(&fill.digest).map(|row| row.is_some());
            if is_gone(&inner.layout.fill(&fill.digest))
                && (is_listed()? || is_gone(&inner.layout.blob(&fill.digest)))
            {
                self.end(fill.digest)?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    /// Whether it was the index that knows that said so.
    fn is_sure(&self) -> bool {
        match self.purpose {
            Purpose::Upkeep(_) => self.is_still_settled(),
            Purpose::Recovery => self.inner.index.standing() == Some(self.standing),
        }
    }

    fn end(&self, digest: Digest) -> Result<(), CacheError> {
        let answers = self
            .inner
            .index
            .ask_all_blocking(vec![Command::FillEnded { digest }]);
        answers.into_iter().try_for_each(|answer| answer.map(|_| ()))
    }
}

fn is_old(file: &Seen, least: Duration) -> bool {
    file.age.is_some_and(|age| age >= least)
}
