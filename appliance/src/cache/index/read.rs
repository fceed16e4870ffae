//! Looking things up in the index.
//!
//! Each look-up is one snapshot, held for microseconds: a long-lived one would keep redb from using pages
//! again. Long lists are read in pieces.

use std::ops::Bound;

use bytes::Bytes;
use redb::{ReadOnlyTable, ReadableTable, ReadableTableMetadata};

use crate::{
    cache::{
        content::{ImageRow, ReferrersRecord, TagRecord},
        error::CacheError,
        uses::KeyPrefix,
    },
    clock::Timestamp,
    oci::{Digest, Links, Manifest, Repository, Tag, UpstreamName},
};

use super::{
    Index,
    failure::Failure,
    mend::Damage,
    rows::{BlobRow, FillRow, Place, TagRow, decode_media_type, decode_referrers},
    tables::{
        Reading, RepositoryId, meta, prefix_end, referrers_key, repository_from, repository_text, shown_key,
        tag_key,
    },
};

/// What the index knows of a blob, as one repository may see it.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Absent,
    Hidden,
    Inline(Bytes),
    File {
        size: u64,
    },
    /// Inline content that is not what its digest says.
    Damaged,
}

/// What is stored is not what it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrong;

/// A fill's row with its repository spelt out.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) digest: Digest,
    pub(crate) repository: Repository,
    pub(crate) row: FillRow,
}

/// Sums over the whole index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) blobs: u64,
    pub(crate) inline: u64,
    pub(crate) manifests: u64,
    pub(crate) tags: u64,
    pub(crate) fills: u64,
    pub(crate) shown: u64,
    pub(crate) referrers: u64,
    pub(crate) files: u64,
    pub(crate) file_bytes: u64,
    pub(crate) inline_bytes: u64,
    pub(crate) seen: u64,
    /// The index's length after it was compacted last, in thousandths of what was estimated; 0: it never was.
    pub(crate) density: u64,
}

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Reading<'_> {
    fn repository(&self, repository: &Repository) -> Result<Option<RepositoryId>, Failure> {
        let text = repository_text(repository);
        let id = self.repositories()?.get(text.as_str())?;
        Ok(id.map(|id| RepositoryId(id.value())))
    }

    fn name(&self, id: RepositoryId) -> Result<Repository, Failure> {
        let name = self.names()?.get(id.0)?;
        name.and_then(|name| repository_from(name.value()))
            .ok_or(Failure::Decode("a repository's name"))
    }

    fn blob_row(&self, digest: &Digest) -> Result<Option<BlobRow>, Failure> {
        match self.blobs()?.get(digest.key())? {
            Some(value) => BlobRow::decode(value.value())
                .map(Some)
                .ok_or(Failure::Decode("a blob's row")),
            None => Ok(None),
        }
    }

    /// Inline content, if it is still what its digest says. Hashing it costs microseconds, and a client that
    /// once got wrong bytes keeps them.
    fn inline_bytes(&self, digest: &Digest) -> Result<Option<Bytes>, Failure> {
        let bytes = self.inline()?.get(digest.key())?;
        let bytes = bytes.map(|bytes| Bytes::copy_from_slice(bytes.value()));
        Ok(bytes.filter(|bytes| Digest::of(digest.algorithm(), bytes) == *digest))
    }

    /// What a row stands for.
    fn found(&self, digest: &Digest, row: &BlobRow) -> Result<Found, Failure> {
        Ok(match row.place {
            Place::Inline => self.inline_bytes(digest)?.map_or(Found::Damaged, Found::Inline),
            Place::File => Found::File { size: row.size },
        })
    }
}

impl Index {
    pub(crate) fn blob(&self, repository: &Repository, digest: &Digest) -> Result<Found, CacheError> {
        self.read("look up the blob", digest, |index| {
            let Some(row) = index.blob_row(digest)? else {
                return Ok(Found::Absent);
            };
            let shown = match index.repository(repository)? {
                Some(id) => index.shown()?.get(shown_key(digest, id).as_slice())?.is_some(),
                None => false,
            };
            if shown {
                index.found(digest, &row)
            } else {
                Ok(Found::Hidden)
            }
        })
    }

    /// The blob, whoever it was shown to.
    pub(crate) fn blob_of_any(&self, digest: &Digest) -> Result<Found, CacheError> {
        self.read("look up the blob", digest, |index| {
            match index.blob_row(digest)? {
                Some(row) => index.found(digest, &row),
                None => Ok(Found::Absent),
            }
        })
    }

    pub(crate) fn blob_row(&self, digest: &Digest) -> Result<Option<BlobRow>, CacheError> {
        self.read("look up the blob", digest, |index| index.blob_row(digest))
    }

    /// The manifest, if it is there, or that what is there is not it.
    pub(crate) fn manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Option<Result<Manifest, Wrong>>, CacheError> {
        self.read("look up the manifest", digest, |index| {
            let Some(id) = index.repository(repository)? else {
                return Ok(None);
            };
            let Some(row) = index.manifests()?.get(shown_key(digest, id).as_slice())? else {
                return Ok(None);
            };
            let media_type = decode_media_type(row.value());
            let manifest = media_type
                .zip(index.inline_bytes(digest)?)
                .map(|(media_type, bytes)| Manifest {
                    digest: *digest,
                    media_type,
                    bytes,
                });
            Ok(Some(manifest.ok_or(Wrong)))
        })
    }

    pub(crate) fn tag(&self, repository: &Repository, tag: &Tag) -> Result<Option<TagRecord>, CacheError> {
        let row = self.read("look up the tag", tag, |index| {
            let Some(id) = index.repository(repository)? else {
                return Ok(None);
            };
            match index.tags()?.get(tag_key(id, tag).as_slice())? {
                Some(value) => tag_row(value.value()).map(Some),
                None => Ok(None),
            }
        })?;
        Ok(row.map(|row| TagRecord {
            digest: row.digest,
            checked: self.checked(repository, tag, &row),
        }))
    }

    /// When a tag was checked, counting what is not written yet.
    fn checked(&self, repository: &Repository, tag: &Tag, row: &TagRow) -> Timestamp {
        self.fresh()
            .checked(repository, tag, &row.digest)
            .unwrap_or(row.checked)
    }

    pub(crate) fn tags(&self, repository: &Repository) -> Result<Vec<Tag>, CacheError> {
        self.read("list the tags of", repository, |index| {
            let Some(id) = index.repository(repository)? else {
                return Ok(Vec::new());
            };
            let prefix = id.0.to_be_bytes();
            let end = prefix_end(&prefix);
            let upper = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut tags = Vec::new();
            for row in index
                .tags()?
                .range::<&[u8]>((Bound::Included(prefix.as_slice()), upper))?
            {
                tags.push(split_tag_key(row?.0.value())?.1);
            }
            Ok(tags)
        })
    }

    pub(crate) fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Option<ReferrersRecord>, CacheError> {
        self.read("look up the referrers of", subject, |index| {
            let Some(id) = index.repository(repository)? else {
                return Ok(None);
            };
            let Some(value) = index.referrers()?.get(referrers_key(id, subject).as_slice())? else {
                return Ok(None);
            };
            let (checked, document) =
                decode_referrers(value.value()).ok_or(Failure::Decode("a list of referrers"))?;
            Ok(Some(ReferrersRecord {
                index: Bytes::copy_from_slice(document),
                checked,
            }))
        })
    }

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

    pub(crate) fn fill(&self, digest: &Digest) -> Result<Option<Listed>, CacheError> {
        self.read("look up the fill", digest, |index| {
            let Some(value) = index.fills()?.get(digest.key())? else {
                return Ok(None);
            };
            let row = FillRow::decode(value.value()).ok_or(Failure::Decode("a fill's row"))?;
            Ok(Some(Listed {
                digest: *digest,
                repository: index.name(row.repository)?,
                row,
            }))
        })
    }

    pub(crate) fn sums(&self) -> Result<Sums, CacheError> {
        self.read("sum up the index", &"", |index| {
            let numbers = index.meta()?;
            let number = |name| -> Result<u64, Failure> { Ok(numbers.get(name)?.map_or(0, |n| n.value())) };
            Ok(Sums {
                blobs: index.blobs()?.len()?,
                inline: index.inline()?.len()?,
                manifests: index.manifests()?.len()?,
                tags: index.tags()?.len()?,
                fills: index.fills()?.len()?,
                shown: index.shown()?.len()?,
                referrers: index.referrers()?.len()?,
                files: number(meta::FILES)?,
                file_bytes: number(meta::FILE_BYTES)?,
                inline_bytes: number(meta::INLINE_BYTES)?,
                seen: number(meta::SEEN)?,
                density: number(meta::DENSITY)?,
            })
        })
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

fn tag_row(bytes: &[u8]) -> Result<TagRow, Failure> {
    TagRow::decode(bytes).ok_or(Failure::Decode("a tag's row"))
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
