//! Rows that cannot be read.
//!
//! One such row must not keep a list from being read: it is passed over, told, and removed by the writer, which looks at
//! it again. What was counted of it is not known any more, so that everything is counted anew. Promises: a row that can
//! be read stays. Must not know: who reads lists; files.

use std::{
    collections::{BTreeSet, HashSet},
    mem,
};

use parking_lot::Mutex;
use redb::ReadableTable;

use crate::oci::Digest;

use super::{
    command::{Command, Done},
    failure::Failure,
    listing::remove_prefix,
    lists::{split_shown_key, split_tag_key},
    rows::{BlobRow, FillRow, Place, TagRow},
    tables::{Writing, meta, repository_from},
};

/// More than these are told of no more.
const MOST: usize = 1000;

/// A row, by its table and its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Damage {
    Blob(Vec<u8>),
    Manifest(Vec<u8>),
    Tag(Vec<u8>),
    Fill(Vec<u8>),
}

/// What was found since the index was opened first.
#[derive(Debug, Default)]
pub(super) struct Damages {
    seen: HashSet<Damage>,
    /// Blobs whose files are without a row once they are mended.
    blobs: BTreeSet<Digest>,
}

impl super::Index {
    /// These were passed over.
    pub(super) fn damaged(&self, rows: Vec<Damage>) {
        if rows.is_empty() {
            return;
        }
        let mut damages = self.shared.damages.lock();
        for row in &rows {
            if damages.seen.len() < MOST && damages.seen.insert(row.clone()) {
                tracing::error!(?row, "a row of the index cannot be read: it is removed");
            }
            if let Damage::Blob(key) = row {
                damages.blobs.extend(Digest::from_key(key));
            }
        }
        drop(damages);
        self.suggest(Command::Mend(rows));
    }

    /// How many rows could not be read.
    pub(super) fn damages(damages: &Mutex<Damages>) -> u64 {
        damages.lock().seen.len() as u64
    }

    /// Blobs whose rows could not be read, and whose files nobody lists once they are mended; each once.
    pub(crate) fn take_unreadable(&self) -> BTreeSet<Digest> {
        mem::take(&mut self.shared.damages.lock().blobs)
    }
}

/// Removes what still cannot be read, with all that belongs to it.
pub(super) fn mend(tables: &mut Writing<'_>, rows: &[Damage]) -> Result<Done, Failure> {
    let mut recount = false;
    for row in rows {
        match row {
            Damage::Blob(key) => {
                recount = true;
                let digest = Digest::from_key(key);
                let known = tables.blobs.get(key.as_slice())?;
                let sound = known.is_some_and(|row| BlobRow::decode(row.value()).is_some());
                if sound && digest.is_some() {
                    continue;
                }
                tables.blobs.remove(key.as_slice())?;
                tables.inline.remove(key.as_slice())?;
                if let Some(digest) = digest {
                    remove_prefix(&mut tables.shown, digest.key())?;
                    remove_prefix(&mut tables.manifests, digest.key())?;
                }
            }
            Damage::Manifest(key) => {
                let named = match split_shown_key(key) {
                    Ok((_, id)) => tables.names.get(id.0)?,
                    Err(_) => None,
                };
                let sound = named.is_some_and(|name| repository_from(name.value()).is_some());
                if !sound {
                    tables.manifests.remove(key.as_slice())?;
                }
            }
            Damage::Tag(key) => {
                let known = tables.tags.get(key.as_slice())?;
                let sound = known.is_some_and(|row| TagRow::decode(row.value()).is_some());
                if !sound || split_tag_key(key).is_err() {
                    tables.tags.remove(key.as_slice())?;
                }
            }
            Damage::Fill(key) => {
                let known = tables.fills.get(key.as_slice())?;
                let repository = known.and_then(|row| FillRow::decode(row.value()));
                let named = match repository {
                    Some(row) => tables.names.get(row.repository.0)?,
                    None => None,
                };
                let sound = named.is_some_and(|name| repository_from(name.value()).is_some());
                if !sound || Digest::from_key(key).is_none() {
                    tables.fills.remove(key.as_slice())?;
                }
            }
        }
    }
    if recount {
        count_anew(tables)?;
    }
    Ok(Done::Yes)
}

/// What is counted of all blobs, from their rows. Seconds for a million of them, and hardly ever.
pub(super) fn count_anew(tables: &mut Writing<'_>) -> Result<(), Failure> {
    let (mut files, mut file_bytes, mut inline_bytes) = (0, 0, 0);
    for row in tables.blobs.iter()? {
        match BlobRow::decode(row?.1.value()) {
            Some(BlobRow {
                place: Place::File,
                size,
                ..
            }) => {
                files += 1;
                file_bytes += size;
            }
            Some(BlobRow { size, .. }) => inline_bytes += size,
            None => {}
        }
    }
    for (name, sum) in [
        (meta::FILES, files),
        (meta::FILE_BYTES, file_bytes),
        (meta::INLINE_BYTES, inline_bytes),
    ] {
        tables.meta.insert(name, sum)?;
    }
    Ok(())
}
