//! Long lists of what is in the index, in pieces.
//!
//! Promises: each piece is one snapshot, so that no list keeps redb from using pages again; a row that cannot be read is
//! passed over, told and mended ([`super::mend`]), and keeps nobody from the others. Must not know: what lists are for.

use std::ops::Bound;

use redb::{ReadOnlyTable, ReadableTable};

use crate::{
    cache::{content::ImageRow, error::CacheError, uses::KeyPrefix},
    oci::{Digest, Links, Tag, UpstreamName},
};

use super::{
    Index,
    failure::Failure,
    mend::Damage,
    read::{Listed, tag_row},
    rows::{BlobRow, FillRow, TagRow},
    tables::{RepositoryId, prefix_end},
};

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Index {
    /// Every tag, in pieces.
    pub(crate) fn images(&self) -> Result<Vec<ImageRow>, CacheError> {
        let mut images = Vec::new();
        let mut after = None;
        loop {
            let (piece, last) = self.read("list the images", &"", |index| {
                let mut piece = Vec::new();
                let last = for_piece(&index.tags()?, after.as_deref(), |key, value| {
                    let (id, tag) = split_tag_key(key)?;
                    piece.push((index.name(id)?, tag, tag_row(value)?));
                    Ok(())
                })?;
                Ok((piece, last))
            })?;
            for (repository, tag, row) in piece {
                images.push(ImageRow {
                    checked: self.checked(&repository, &tag, &row),
                    digest: row.digest,
                    repository,
                    tag,
                });
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(images),
            }
        }
    }

    /// The next piece of the list of blobs after a digest; empty at the end. What cannot be read is passed over.
    pub(crate) fn blobs_after(&self, after: Option<&Digest>) -> Result<Vec<(Digest, BlobRow)>, CacheError> {
        let mut after = after.map(|digest| digest.key().to_vec());
        loop {
            let (piece, damaged, last) = self.read("list the blobs", &"", |index| {
                let (mut piece, mut damaged) = (Vec::new(), Vec::new());
                let last = for_piece(&index.blobs()?, after.as_deref(), |key, value| {
                    match Digest::from_key(key).zip(BlobRow::decode(value)) {
                        Some(row) => piece.push(row),
                        None => damaged.push(Damage::Blob(key.to_vec())),
                    }
                    Ok(())
                })?;
                Ok((piece, damaged, last))
            })?;
            self.damaged(damaged);
            if !piece.is_empty() || last.is_none() {
                return Ok(piece);
            }
            after = last;
        }
    }

    /// What the next manifests after a key name; the key of the last, if there can be more. Each manifest
    /// comes once, with the first repository that has it.
    pub(crate) fn links_after(
        &self,
        after: Option<&[u8]>,
    ) -> Result<(Vec<Linked>, Option<Vec<u8>>), CacheError> {
        let (piece, damaged, end) = self.read("read the manifests", &"", |index| {
            let (mut piece, mut damaged) = (Vec::<Linked>::new(), Vec::new());
            let mut bytes = 0;
            let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
            for row in index.manifests()?.range::<&[u8]>((lower, Bound::Unbounded))? {
                let row = row?;
                let key = row.0.value();
                let named = split_shown_key(key).and_then(|(digest, id)| Ok((digest, index.name(id)?)));
                let (digest, repository) = match named {
                    Ok(named) => named,
                    Err(Failure::Decode(_)) => {
                        damaged.push(Damage::Manifest(key.to_vec()));
                        continue;
                    }
                    Err(failure) => return Err(failure),
                };
                if piece.last().is_some_and(|last| last.digest == digest) {
                    continue;
                }
                // One that cannot be read names nothing; whoever asks for it will see.
                let content = index.inline()?.get(digest.key())?;
                let links = match &content {
                    Some(content) => {
                        bytes += content.value().len();
                        Links::of(content.value()).unwrap_or_default()
                    }
                    None => Links::default(),
                };
                piece.push(Linked {
                    digest,
                    upstream: repository.upstream,
                    links,
                });
                if bytes > PIECE_BYTES || piece.len() == PIECE {
                    // What follows of the same manifest is passed over.
                    let end = prefix_end(digest.key());
                    return Ok((piece, damaged, end));
                }
            }
            Ok((piece, damaged, None))
        })?;
        self.damaged(damaged);
        Ok((piece, end))
    }

    /// The keys of all tags, with what each stands for, in pieces.
    pub(crate) fn tag_keys(&self) -> Result<Vec<(Digest, Vec<u8>)>, CacheError> {
        let mut keys = Vec::new();
        let mut after = None;
        loop {
            let (piece, damaged, last) = self.read("list the tags", &"", |index| {
                let (mut piece, mut damaged) = (Vec::new(), Vec::new());
                let last = for_piece(&index.tags()?, after.as_deref(), |key, value| {
                    match TagRow::decode(value) {
                        Some(row) => piece.push((row.digest, key.to_vec())),
                        None => damaged.push(Damage::Tag(key.to_vec())),
                    }
                    Ok(())
                })?;
                Ok((piece, damaged, last))
            })?;
            self.damaged(damaged);
            keys.extend(piece);
            match last {
                Some(last) => after = Some(last),
                None => return Ok(keys),
            }
        }
    }

    /// The blobs whose keys begin so, as far as they are still here.
    pub(crate) fn digests_of(&self, prefixes: &[KeyPrefix]) -> Result<Vec<Option<Digest>>, CacheError> {
        self.read("find the blobs", &"", |index| {
            let blobs = index.blobs()?;
            let mut digests = Vec::with_capacity(prefixes.len());
            for prefix in prefixes {
                let mut rows =
                    blobs.range::<&[u8]>((Bound::Included(prefix.as_slice()), Bound::Unbounded))?;
                let digest = match rows.next() {
                    Some(row) => Digest::from_key(row?.0.value()),
                    None => None,
                };
                digests.push(digest.filter(|digest| digest.key().starts_with(prefix)));
            }
            Ok(digests)
        })
    }

    /// What people want kept. An index of before there were pins has none.
    pub(crate) fn pins(&self) -> Result<Vec<String>, CacheError> {
        self.read("list the pins", &"", |index| {
            let pins = match index.pins() {
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                pins => pins?,
            };
            let mut all = Vec::new();
            for row in pins.iter()? {
                all.push(row?.0.value().to_owned());
            }
            Ok(all)
        })
    }

    /// All fills. There are as many as blobs arrive at once, and those that were left.
    pub(crate) fn fills(&self) -> Result<Vec<Listed>, CacheError> {
        let (fills, damaged) = self.read("list the fills", &"", |index| {
            let (mut fills, mut damaged) = (Vec::new(), Vec::new());
            for row in index.fills()?.iter()? {
                let (key, value) = row?;
                let known = Digest::from_key(key.value()).zip(FillRow::decode(value.value()));
                let named = known
                    .ok_or(Failure::Decode("a fill's row"))
                    .and_then(|(digest, row)| {
                        let repository = index.name(row.repository)?;
                        Ok(Listed {
                            digest,
                            repository,
                            row,
                        })
                    });
                match named {
                    Ok(listed) => fills.push(listed),
                    Err(Failure::Decode(_)) => damaged.push(Damage::Fill(key.value().to_vec())),
                    Err(failure) => return Err(failure),
                }
            }
            Ok((fills, damaged))
        })?;
        self.damaged(damaged);
        Ok(fills)
    }
}

/// What a manifest names.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) digest: Digest,
    /// Whence it came first.
    pub(crate) upstream: UpstreamName,
    pub(crate) links: Links,
}

/// How many rows of a long list are read in one snapshot, and about how many bytes of manifests.
const PIECE: usize = 1024;
const PIECE_BYTES: usize = 1 << 20;

/// Visits the rows after a key, as many as one snapshot should. The last key, if there can be more.
fn for_piece(
    table: &Table,
    after: Option<&[u8]>,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), Failure>,
) -> Result<Option<Vec<u8>>, Failure> {
    let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
    for (count, row) in table.range::<&[u8]>((lower, Bound::Unbounded))?.enumerate() {
        let (key, value) = row?;
        visit(key.value(), value.value())?;
        if count + 1 == PIECE {
            return Ok(Some(key.value().to_vec()));
        }
    }
    Ok(None)
}

pub(super) fn split_shown_key(key: &[u8]) -> Result<(Digest, RepositoryId), Failure> {
    let parts = key
        .split_last_chunk::<4>()
        .and_then(|(digest, id)| Some((Digest::from_key(digest)?, RepositoryId(u32::from_be_bytes(*id)))));
    parts.ok_or(Failure::Decode("a manifest's key"))
}

pub(super) fn split_tag_key(key: &[u8]) -> Result<(RepositoryId, Tag), Failure> {
    let parts = key.split_first_chunk::<4>().and_then(|(id, tag)| {
        let tag = std::str::from_utf8(tag).ok()?.parse().ok()?;
        Some((RepositoryId(u32::from_be_bytes(*id)), tag))
    });
    parts.ok_or(Failure::Decode("a tag's key"))
}
