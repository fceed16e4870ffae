//! Content on and off the list, with the sums over it.
//!
//! Promises: what is listed is in the sums, once, and what is not is not; what a repository was shown of a blob goes with
//! it. Must not know: why it comes or goes.

use redb::ReadableTable;

use crate::{clock::Timestamp, oci::Digest};

use super::{
    command::{Done, Retired, Unit},
    failure::Failure,
    mend::count_anew,
    rows::{BlobRow, Place, TagRow},
    tables::{Writing, meta, prefix_end},
};

/// Which place wins when a blob is there already, in a file.
pub(super) enum Prefer {
    /// The index: a manifest must be answerable from it.
    Inline,
    WhatIsThere,
}

pub(super) fn insert_inline(
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

pub(super) fn insert_file(
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

pub(super) fn retire(tables: &mut Writing<'_>, unit: &Unit, retired: &mut Retired) -> Result<(), Failure> {
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
pub(super) fn unlist(tables: &mut Writing<'_>, digest: &Digest) -> Result<Option<BlobRow>, Failure> {
    let row = blob(tables, digest)?;
    remove_blob(tables, digest, row)?;
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

/// What is known of a blob. A row that cannot be read is as good as none: it goes, and as what was counted of it is not
/// known, everything is counted anew.
fn blob(tables: &mut Writing<'_>, digest: &Digest) -> Result<Option<BlobRow>, Failure> {
    let row = tables.blobs.get(digest.key())?;
    let known = row.map(|row| BlobRow::decode(row.value()));
    if let Some(None) = known {
        tracing::error!(%digest, "a blob's row cannot be read: it is removed");
        tables.blobs.remove(digest.key())?;
        tables.inline.remove(digest.key())?;
        count_anew(tables)?;
    }
    Ok(known.flatten())
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
