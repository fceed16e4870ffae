//! What can be asked of the writer, and what each does to the tables.
//!
//! Promises: a command can be applied again after a failed transaction; it reads before it writes, so that a
//! row that cannot be decoded fails it without half of it done. Must not know: transactions, batches,
//! files (but for their names, which it hands back to be unlinked).

use std::sync::Arc;

use bytes::Bytes;
use redb::ReadableTable;

use crate::{
    cache::{
        boot::BootId,
        uses::{Watch, fingerprint},
    },
    clock::Timestamp,
    oci::{Digest, Manifest, Repository, Tag},
};

use super::{
    failure::Failure,
    fresh::Refresh,
    mend::{Damage, mend},
    rows::{BlobRow, FillRow, Place, TagRow, encode_media_type, encode_referrers},
    tables::{RepositoryId, Writing, meta, prefix_end, referrers_key, repository_text, shown_key, tag_key},
};

/// One change to the index.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    Manifest {
        repository: Repository,
        manifest: Manifest,
    },
    Small {
        repository: Repository,
        digest: Digest,
        bytes: Bytes,
    },
    Tag {
        repository: Repository,
        tag: Tag,
        digest: Digest,
        checked: Timestamp,
    },
    /// Times that were kept back. A tag that stands for something else by now is left alone.
    Refreshes(Vec<(Repository, Tag, Refresh)>),
    ForgetTag {
        repository: Repository,
        tag: Tag,
    },
    Referrers {
        repository: Repository,
        subject: Digest,
        index: Bytes,
        checked: Timestamp,
    },
    /// The repository may see the blob, if it is there.
    Show {
        repository: Repository,
        digest: Digest,
    },
    FillStarted {
        repository: Repository,
        digest: Digest,
        size: Option<u64>,
        /// Bytes that are known to be on the disk.
        synced: u64,
        boot: BootId,
    },
    FillSynced {
        digest: Digest,
        synced: u64,
    },
    FillEnded {
        digest: Digest,
    },
    /// A whole file lies under its digest's name. Its fill row goes; whoever filled it may see it.
    Publish {
        digest: Digest,
        size: u64,
        shown_to: Option<Repository>,
    },
    /// The blob goes, with all that was shown of it; its file after the rows.
    Evict {
        digest: Digest,
    },
    /// A person wants an image kept: its whole name. It need not be here.
    Pin {
        image: String,
    },
    Unpin {
        image: String,
    },
    /// Units of content go, each whole or not at all. Their files are the caller's to remove, once this is
    /// durable.
    Retire {
        units: Vec<Unit>,
        guard: Guard,
    },
    /// How the index's length compares with what was estimated.
    Density {
        thousandths: u64,
    },
    /// Rows that cannot be read go.
    Mend(Vec<Damage>),
    /// The blob's file is not what its row says. The writer looks again before it applies this: by then
    /// another file can lie there.
    Lost {
        digest: Digest,
        /// The file's length in bytes, if there was one.
        found: Option<u64>,
    },
}

/// What goes together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unit {
    /// Tags that stand for it, each with the digest that it stood for: one that has moved since stays.
    pub(crate) tags: Vec<(Vec<u8>, Digest)>,
    /// What nobody else has.
    pub(crate) freed: Vec<Digest>,
    /// Earlier units of the same command that had something of what is freed: if one of them stays, so does this.
    pub(crate) after: Vec<usize>,
}

/// Looks at the last moment whether content is in demand. Between the plan and its execution a client may
/// have asked for it.
#[derive(Clone, Debug)]
pub(crate) enum Guard {
    /// What was asked for since stays.
    Demand(Arc<Watch>),
    /// A person wants it gone, whoever reads it; what was stored since and needs it must not break.
    Need(Arc<Watch>),
    /// It is wrong, so that nobody is to have it.
    Nothing,
}

impl Guard {
    fn forbids(&self, unit: &Unit, now: Timestamp) -> bool {
        // A root that others have too is not freed: only its tags would go.
        let roots = unit.tags.iter().map(|(_, digest)| digest);
        let mut names = unit.freed.iter().chain(roots).map(fingerprint);
        match self {
            Self::Demand(watch) => names.any(|name| watch.is_in_demand(name, now)),
            Self::Need(watch) => names.any(|name| watch.is_needed(name)),
            Self::Nothing => false,
        }
    }
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    Yes,
    /// There was nothing to be done.
    Nothing,
    /// It is in the index itself: a file of it is not needed.
    Redundant(Digest),
    /// Its file is to be unlinked once the transaction is durable.
    Unlisted(Digest),
    /// What has gone.
    Retired(Retired),
}

/// What was taken off the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retired {
    /// Of the units, by their numbers: those that were spared because somebody asked for them.
    pub(crate) spared: Vec<usize>,
    /// Blobs whose files are not listed any more, with their sizes in bytes.
    pub(crate) files: Vec<(Digest, u64)>,
    /// Blobs that were not listed. Their files can be there all the same: a transaction that failed can have
    /// reached the disk, and then this is its second try.
    pub(crate) absent: Vec<Digest>,
    /// Pieces of content, and their bytes.
    pub(crate) pieces: u64,
    pub(crate) bytes: u64,
}

impl Command {
    /// Whether it brings in content, which needs room. The others only take away or change a few bytes, and
    /// are tried on a full disk too.
    pub(crate) fn grows(&self) -> bool {
        matches!(
            self,
            Self::Manifest { .. } | Self::Small { .. } | Self::Referrers { .. } | Self::Tag { .. }
        )
    }

    /// About how many bytes it brings, to bound a batch.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Manifest { manifest, .. } => manifest.bytes.len(),
            Self::Small { bytes, .. } => bytes.len(),
            Self::Referrers { index, .. } => index.len(),
            _ => 0,
        }
    }

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

/// Which place wins when a blob is there already, in a file.
enum Prefer {
    /// The index: a manifest must be answerable from it.
    Inline,
    WhatIsThere,
}

fn insert_inline(
    tables: &mut Writing<'_>,
    digest: &Digest,
    bytes: &[u8],
    prefer: Prefer,
    now: Timestamp,
) -> Result<Done, Failure> {
    let existing = blob(tables, digest)?;
    let done = match (existing.map(|row| row.place), prefer) {
        (Some(Place::Inline), _) | (Some(Place::File), Prefer::WhatIsThere) => return Ok(Done::Yes),
        (Some(Place::File), Prefer::Inline) => Done::Unlisted(*digest),
        (None, _) => Done::Yes,
    };
    remove_blob(tables, digest, existing)?;
    let row = BlobRow {
        place: Place::Inline,
        size: bytes.len() as u64,
        created: now,
    };
    tables.blobs.insert(digest.key(), row.encode().as_slice())?;
    tables.inline.insert(digest.key(), bytes)?;
    add(tables, meta::INLINE_BYTES, row.size)?;
    Ok(done)
}

fn insert_file(
    tables: &mut Writing<'_>,
    digest: &Digest,
    size: u64,
    now: Timestamp,
) -> Result<Done, Failure> {
    let existing = blob(tables, digest)?;
    if existing.is_some_and(|row| row.place == Place::Inline) {
        return Ok(Done::Redundant(*digest));
    }
    remove_blob(tables, digest, existing)?;
    let row = BlobRow {
        place: Place::File,
        size,
        created: existing.map_or(now, |row| row.created),
    };
    tables.blobs.insert(digest.key(), row.encode().as_slice())?;
    add(tables, meta::FILE_BYTES, size)?;
    add(tables, meta::FILES, 1)?;
    Ok(Done::Yes)
}

fn retire(tables: &mut Writing<'_>, unit: &Unit, retired: &mut Retired) -> Result<(), Failure> {
    for (key, digest) in &unit.tags {
        let stands_for = tables
            .tags
            .get(key.as_slice())?
            .and_then(|row| TagRow::decode(row.value()))
            .map(|row| row.digest);
        if stands_for == Some(*digest) {
            tables.tags.remove(key.as_slice())?;
        }
    }
    for digest in &unit.freed {
        let Some(row) = unlist(tables, digest)? else {
            retired.absent.push(*digest);
            continue;
        };
        retired.pieces += 1;
        retired.bytes += row.size;
        if row.place == Place::File {
            retired.files.push((*digest, row.size));
        }
    }
    Ok(())
}

/// Takes a blob off the list, with all that was shown of it; what its row was.
fn unlist(tables: &mut Writing<'_>, digest: &Digest) -> Result<Option<BlobRow>, Failure> {
    let row = blob(tables, digest)?;
    match row {
        Some(_) => remove_blob(tables, digest, row)?,
        // One that could not be read, perhaps.
        None => {
            tables.blobs.remove(digest.key())?;
            tables.inline.remove(digest.key())?;
        }
    }
    remove_prefix(&mut tables.shown, digest.key())?;
    remove_prefix(&mut tables.manifests, digest.key())?;
    Ok(row)
}

/// Removes a blob's row and inline bytes, and takes it out of the sums.
fn remove_blob(tables: &mut Writing<'_>, digest: &Digest, row: Option<BlobRow>) -> Result<(), Failure> {
    let Some(row) = row else { return Ok(()) };
    tables.blobs.remove(digest.key())?;
    match row.place {
        Place::Inline => {
            tables.inline.remove(digest.key())?;
            subtract(tables, meta::INLINE_BYTES, row.size)
        }
        Place::File => {
            subtract(tables, meta::FILE_BYTES, row.size)?;
            subtract(tables, meta::FILES, 1)
        }
    }
}

pub(super) fn remove_prefix<V: redb::Value + 'static>(
    table: &mut redb::Table<'_, &'static [u8], V>,
    prefix: &[u8],
) -> Result<(), Failure> {
    let end = prefix_end(prefix);
    match &end {
        Some(end) => table.retain_in::<&[u8], _>(prefix..end.as_slice(), |_, _| false)?,
        None => table.retain_in::<&[u8], _>(prefix.., |_, _| false)?,
    }
    Ok(())
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

/// What is known of a blob. A row that cannot be read is as good as none: what comes next replaces it.
fn blob(tables: &Writing<'_>, digest: &Digest) -> Result<Option<BlobRow>, Failure> {
    let row = tables.blobs.get(digest.key())?;
    let decoded = row.as_ref().and_then(|row| BlobRow::decode(row.value()));
    if row.is_some() && decoded.is_none() {
        tracing::error!(%digest, "a blob's row cannot be read: it is replaced");
    }
    Ok(decoded)
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

fn add(tables: &mut Writing<'_>, name: &str, amount: u64) -> Result<(), Failure> {
    let sum = tables.meta.get(name)?.map_or(0, |sum| sum.value());
    tables.meta.insert(name, sum.saturating_add(amount))?;
    Ok(())
}

fn subtract(tables: &mut Writing<'_>, name: &str, amount: u64) -> Result<(), Failure> {
    let sum = tables.meta.get(name)?.map_or(0, |sum| sum.value());
    tables.meta.insert(name, sum.saturating_sub(amount))?;
    Ok(())
}
