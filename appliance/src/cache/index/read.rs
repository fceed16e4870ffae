//! Looking things up in the index.
//!
//! Each look-up is one snapshot, held for microseconds: a long-lived one would keep redb from using pages
//! again. Long lists are read in pieces.

use std::ops::Bound;

use bytes::Bytes;
use redb::ReadableTableMetadata;

use crate::{
    cache::{
        content::{ReferrersRecord, TagRecord},
        error::CacheError,
    },
    clock::Timestamp,
    oci::{Digest, Manifest, Repository, Tag},
};

use super::{
    Index,
    failure::Failure,
    lists::split_tag_key,
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

impl Reading<'_> {
    fn repository(&self, repository: &Repository) -> Result<Option<RepositoryId>, Failure> {
        let text = repository_text(repository);
        let id = self.repositories()?.get(text.as_str())?;
        Ok(id.map(|id| RepositoryId(id.value())))
    }

    pub(super) fn name(&self, id: RepositoryId) -> Result<Repository, Failure> {
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
    pub(super) fn checked(&self, repository: &Repository, tag: &Tag, row: &TagRow) -> Timestamp {
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

pub(super) fn tag_row(bytes: &[u8]) -> Result<TagRow, Failure> {
    TagRow::decode(bytes).ok_or(Failure::Decode("a tag's row"))
}
