//! What the cache gives and takes: content, records, and the proof that bytes match their digest.
//!
//! Promises: a [`VerifiedBytes`] exists only for bytes that hash to its digest. Must not know: how any of it
//! is stored.

use std::{fs::File, sync::Arc};

use bytes::Bytes;

use crate::{
    clock::Timestamp,
    oci::{Digest, Repository, Tag},
};

/// What the cache has of a blob, as one repository may see it.
#[derive(Clone, Debug)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// It is cached, but this repository's upstream has not been shown to have it.
    Hidden,
    /// Here it is.
    Here(Content),
}

/// The whole content of a blob.
#[derive(Clone, Debug)]
pub enum Content {
    Inline(Bytes),
    File(BlobFile),
}

impl Content {
    /// In bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File(blob) => blob.size,
        }
    }
}

/// A whole blob in an open file. Eviction does not disturb those who hold it.
#[derive(Clone, Debug)]
pub struct BlobFile {
    pub file: Arc<File>,
    /// In bytes.
    pub size: u64,
}

/// What a tag stood for when it was last checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagRecord {
    pub digest: Digest,
    pub checked: Timestamp,
}

/// The referrers of a digest when they were last asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrersRecord {
    /// The image index that lists them, unfiltered.
    pub index: Bytes,
    pub checked: Timestamp,
}

/// A tag that the cache knows, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    pub repository: Repository,
    pub tag: Tag,
    pub digest: Digest,
    pub checked: Timestamp,
}

/// A blob that began to arrive and did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    pub repository: Repository,
    pub digest: Digest,
    /// The whole blob's, in bytes, if it was known.
    pub size: Option<u64>,
    /// Bytes that a fill would adopt.
    pub have: u64,
}

/// Bytes that do not hash to what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("content of {length} bytes is {actual}, not {expected}")]
pub struct Mismatch {
    pub expected: Digest,
    // Boxed to keep results small.
    pub actual: Box<Digest>,
    /// In bytes.
    pub length: u64,
}

/// Bytes that are known to match their digest.
#[derive(Clone, Debug)]
pub struct VerifiedBytes {
    digest: Digest,
    bytes: Bytes,
}

impl VerifiedBytes {
    /// Hashes `bytes` and compares.
    pub fn check(digest: Digest, bytes: Bytes) -> Result<Self, Mismatch> {
        let actual = Digest::of(digest.algorithm(), &bytes);
        if actual == digest {
            Ok(Self { digest, bytes })
        } else {
            Err(Mismatch {
                expected: digest,
                actual: Box::new(actual),
                length: bytes.len() as u64,
            })
        }
    }

    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
