//! What each command does to the tables.
//!
//! Promises: it reads before it writes, so that a row that cannot be decoded fails a command without half of it done.
//! Must not know: transactions, batches, files (but for their names, which it hands back to be unlinked).

use redb::ReadableTable;

use crate::{
    clock::Timestamp,
    oci::{Digest, Repository, Tag},
};

use super::{
    command::{Command, Done, Retired},
    failure::Failure,
    fresh::Refresh,
    listing::{Prefer, insert_file, insert_inline, retire, unlist},
    mend::mend,
    rows::{FillRow, Place, TagRow, encode_media_type, encode_referrers},
    tables::{RepositoryId, Writing, meta, referrers_key, repository_text, shown_key, tag_key},
};

impl Command {
    pub(crate) fn apply(&self, tables: &mut Writing<'_>, now: Timestamp) -> Result<Done, Failure> {
        match self {
            Self::Manifest { repository, manifest } => {
                let id = intern(tables, repository)?;
                let done = insert_inline(tables, &manifest.digest, &manifest.bytes, Prefer::Inline, now)?;
                let key = shown_key(&manifest.digest, id);
                tables.shown.insert(key.as_slice(), ())?;
                let media_type = encode_media_type(&manifest.media_type);
                tables.manifests.insert(key.as_slice(), media_type.as_slice())?;
                return Ok(done);
            }
            Self::Small {
                repository,
                digest,
                bytes,
            } => {
                let id = intern(tables, repository)?;
                let done = insert_inline(tables, digest, bytes, Prefer::WhatIsThere, now)?;
                tables.shown.insert(shown_key(digest, id).as_slice(), ())?;
                return Ok(done);
            }
            Self::Tag {
                repository,
                tag,
                digest,
                checked,
            } => {
                let id = intern(tables, repository)?;
                let row = TagRow {
                    checked: *checked,
                    digest: *digest,
                };
                tables
                    .tags
                    .insert(tag_key(id, tag).as_slice(), row.encode().as_slice())?;
            }
            Self::Refreshes(refreshes) => {
                for (repository, tag, refresh) in refreshes {
                    apply_refresh(tables, repository, tag, *refresh)?;
                }
            }
            Self::ForgetTag { repository, tag } => {
                if let Some(id) = lookup(tables, repository)? {
                    tables.tags.remove(tag_key(id, tag).as_slice())?;
                }
            }
            Self::Referrers {
                repository,
                subject,
                index,
                checked,
            } => {
                let id = intern(tables, repository)?;
                let row = encode_referrers(*checked, index);
                tables
                    .referrers
                    .insert(referrers_key(id, subject).as_slice(), row.as_slice())?;
            }
            Self::Show { repository, digest } => {
                if tables.blobs.get(digest.key())?.is_some() {
                    let id = intern(tables, repository)?;
                    tables.shown.insert(shown_key(digest, id).as_slice(), ())?;
                }
            }
            Self::FillStarted {
                repository,
                digest,
                size,
                synced,
                boot,
            } => {
                let repository = intern(tables, repository)?;
                let row = FillRow {
                    repository,
                    size: *size,
                    synced: *synced,
                    boot: *boot,
                };
                tables.fills.insert(digest.key(), row.encode().as_slice())?;
            }
            Self::FillSynced { digest, synced } => {
                if let Some(row) = fill(tables, digest)? {
                    let row = FillRow {
                        synced: *synced,
                        ..row
                    };
                    tables.fills.insert(digest.key(), row.encode().as_slice())?;
                }
            }
            Self::FillEnded { digest } => {
                tables.fills.remove(digest.key())?;
            }
            Self::Publish {
                digest,
                size,
                shown_to,
            } => {
                let done = insert_file(tables, digest, *size, now)?;
                if let Some(repository) = shown_to {
                    let id = intern(tables, repository)?;
                    tables.shown.insert(shown_key(digest, id).as_slice(), ())?;
                }
                tables.fills.remove(digest.key())?;
                return Ok(done);
            }
            Self::Evict { digest } | Self::Lost { digest, .. } => {
                let row = unlist(tables, digest)?;
                if row.is_some_and(|row| row.place == Place::File) {
                    return Ok(Done::Unlisted(*digest));
                }
            }
            Self::Mend(rows) => return mend(tables, rows),
            Self::Pin { image } => {
                tables.pins.insert(image.as_str(), now.0)?;
            }
            Self::Unpin { image } => {
                if tables.pins.remove(image.as_str())?.is_none() {
                    return Ok(Done::Nothing);
                }
            }
            Self::Density { thousandths } => {
                tables.meta.insert(meta::DENSITY, *thousandths)?;
            }
            Self::Retire { units, guard } => {
                let mut retired = Retired::default();
                for (number, unit) in units.iter().enumerate() {
                    let left = unit.after.iter().any(|before| retired.spared.contains(before));
                    if left || guard.forbids(unit, now) {
                        retired.spared.push(number);
                    } else {
                        retire(tables, unit, &mut retired)?;
                    }
                }
                return Ok(Done::Retired(retired));
            }
        }
        Ok(Done::Yes)
    }
}

fn apply_refresh(
    tables: &mut Writing<'_>,
    repository: &Repository,
    tag: &Tag,
    refresh: Refresh,
) -> Result<(), Failure> {
    let Some(id) = lookup(tables, repository)? else {
        return Ok(());
    };
    let key = tag_key(id, tag);
    let row = match tables.tags.get(key.as_slice())? {
        Some(value) => TagRow::decode(value.value()).ok_or(Failure::Decode("a tag's row"))?,
        None => return Ok(()),
    };
    if row.digest == refresh.digest {
        let row = TagRow {
            checked: refresh.checked,
            ..row
        };
        tables.tags.insert(key.as_slice(), row.encode().as_slice())?;
    }
    Ok(())
}

fn fill(tables: &Writing<'_>, digest: &Digest) -> Result<Option<FillRow>, Failure> {
    let row = tables.fills.get(digest.key())?;
    Ok(row.and_then(|row| FillRow::decode(row.value())))
}

fn lookup(tables: &Writing<'_>, repository: &Repository) -> Result<Option<RepositoryId>, Failure> {
    let text = repository_text(repository);
    Ok(tables
        .repositories
        .get(text.as_str())?
        .map(|id| RepositoryId(id.value())))
}

/// The repository's number; a new one gets the next. Numbers are never used again.
fn intern(tables: &mut Writing<'_>, repository: &Repository) -> Result<RepositoryId, Failure> {
    if let Some(id) = lookup(tables, repository)? {
        return Ok(id);
    }
    let next = match tables.names.last()? {
        Some((last, _)) => last
            .value()
            .checked_add(1)
            .ok_or(Failure::Decode("repository numbers are used up"))?,
        None => 0,
    };
    let text = repository_text(repository);
    tables.repositories.insert(text.as_str(), next)?;
    tables.names.insert(next, text.as_str())?;
    Ok(RepositoryId(next))
}
