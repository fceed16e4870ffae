//! The index's tables and their keys.
//!
//! Keys that join a digest and a repository begin with the digest, so that everything about a blob that is
//! evicted lies in one range. Keys that list something of a repository begin with the repository. Digests
//! are self-delimiting (their first byte gives the length), and so are the joined keys.
//!
//! Changing anything here means a new schema version and a step in [`super::migrate`].

use std::ops::Bound;

use redb::{
    Key, ReadOnlyTable, ReadTransaction, ReadableTable, Table, TableDefinition, TableError, Value,
    WriteTransaction,
};

use crate::oci::{Digest, Repository, Tag};

use super::failure::Failure;

/// Numbers about the whole index, by the names in [`meta`].
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// `upstream/path` → its number.
const REPOSITORIES: TableDefinition<'_, &str, u32> = TableDefinition::new("repositories");
/// The inverse of [`REPOSITORIES`].
const NAMES: TableDefinition<'_, u32, &str> = TableDefinition::new("repository_names");
/// Digest → [`super::rows::BlobRow`]: everything that is whole, manifests too.
const BLOBS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("blobs");
/// Digest → the bytes of inline content.
///
/// Manifests are always here, up to [`crate::oci::MANIFEST_LIMIT`]: they must be answerable when the disk has
/// no inode left, most are a few KiB, and one place for them means one way to be wrong.
const INLINE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("inline");
/// Digest ++ repository: the repository's upstream has been shown to have the content.
const SHOWN: TableDefinition<'_, &[u8], ()> = TableDefinition::new("shown");
/// Digest ++ repository → media type, as that repository's upstream declared it. Per repository, so that one
/// upstream cannot change how another's manifest is read.
const MANIFESTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("manifests");
/// Repository ++ tag → [`super::rows::TagRow`].
const TAGS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("tags");
/// Repository ++ subject digest → when it was asked for, and the index document.
const REFERRERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("referrers");
/// Digest → [`super::rows::FillRow`].
const FILLS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("fills");

/// What people want kept, as `upstream/path:tag` or `upstream/path@digest` → since when.
const PINS: TableDefinition<'_, &str, u64> = TableDefinition::new("pins");

/// The names in the table of numbers.
pub(crate) mod meta {
    /// The schema's version.
    pub(crate) const SCHEMA: &str = "schema";
    /// The latest time that was seen, in seconds since 1970 on the steady time line.
    pub(crate) const SEEN: &str = "seen";
    /// Bytes of content in blob files.
    pub(crate) const FILE_BYTES: &str = "file_bytes";
    /// Blob files.
    pub(crate) const FILES: &str = "files";
    /// Bytes of inline content.
    pub(crate) const INLINE_BYTES: &str = "inline_bytes";
    /// See [`super::super::read::Sums::density`].
    pub(crate) const DENSITY: &str = "density";
}

type Bytes = &'static [u8];

/// Visits every row of every table in the order of its keys, and puts it into a database without tables.
/// `each` is told how long a row is, in bytes, after it was put there.
pub(crate) fn copy(
    from: &ReadTransaction,
    to: &WriteTransaction,
    mut each: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let each = &mut each;
    copy_table(META, from, to, each)?;
    copy_table(REPOSITORIES, from, to, each)?;
    copy_table(NAMES, from, to, each)?;
    copy_table(BLOBS, from, to, each)?;
    copy_table(INLINE, from, to, each)?;
    copy_table(SHOWN, from, to, each)?;
    copy_table(MANIFESTS, from, to, each)?;
    copy_table(TAGS, from, to, each)?;
    copy_table(REFERRERS, from, to, each)?;
    copy_table(FILLS, from, to, each)?;
    copy_table(PINS, from, to, each)
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    table: TableDefinition<'_, K, V>,
    from: &ReadTransaction,
    to: &WriteTransaction,
    each: &mut impl FnMut(usize) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let rows = match from.open_table(table) {
        // A table that came with a later version and has no rows yet.
        Err(TableError::TableDoesNotExist(_)) => return Ok(()),
        rows => rows?,
    };
    let mut copied = to.open_table(table)?;
    // A cursor fills each page to its end. Inserting by key would leave every page half empty.
    let mut end = copied.upper_bound_mut(Bound::<K::SelfType<'_>>::Unbounded)?;
    for row in rows.iter()? {
        let (key, value) = row?;
        let (key, value) = (key.value(), value.value());
        end.insert_before(&key, &value)?;
        each(K::as_bytes(&key).as_ref().len() + V::as_bytes(&value).as_ref().len())?;
    }
    end.close()?;
    Ok(())
}

/// All tables, open in one write transaction.
pub(crate) struct Writing<'t> {
    pub(crate) meta: Table<'t, &'static str, u64>,
    pub(crate) repositories: Table<'t, &'static str, u32>,
    pub(crate) names: Table<'t, u32, &'static str>,
    pub(crate) blobs: Table<'t, Bytes, Bytes>,
    pub(crate) inline: Table<'t, Bytes, Bytes>,
    pub(crate) shown: Table<'t, Bytes, ()>,
    pub(crate) manifests: Table<'t, Bytes, Bytes>,
    pub(crate) tags: Table<'t, Bytes, Bytes>,
    pub(crate) referrers: Table<'t, Bytes, Bytes>,
    pub(crate) fills: Table<'t, Bytes, Bytes>,
    pub(crate) pins: Table<'t, &'static str, u64>,
}

impl<'t> Writing<'t> {
    /// Opens the tables, creating those that are missing.
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            meta: transaction.open_table(META)?,
            repositories: transaction.open_table(REPOSITORIES)?,
            names: transaction.open_table(NAMES)?,
            blobs: transaction.open_table(BLOBS)?,
            inline: transaction.open_table(INLINE)?,
            shown: transaction.open_table(SHOWN)?,
            manifests: transaction.open_table(MANIFESTS)?,
            tags: transaction.open_table(TAGS)?,
            referrers: transaction.open_table(REFERRERS)?,
            fills: transaction.open_table(FILLS)?,
            pins: transaction.open_table(PINS)?,
        })
    }
}

/// A snapshot, with its tables opened as they are needed.
pub(crate) struct Reading<'t>(pub(crate) &'t ReadTransaction);

macro_rules! reading {
    ($($name:ident: $definition:ident, $key:ty, $value:ty;)*) => {
        impl Reading<'_> {
            $(pub(crate) fn $name(&self) -> Result<ReadOnlyTable<$key, $value>, TableError> {
                self.0.open_table($definition)
            })*
        }
    };
}

reading! {
    meta: META, &'static str, u64;
    repositories: REPOSITORIES, &'static str, u32;
    names: NAMES, u32, &'static str;
    blobs: BLOBS, Bytes, Bytes;
    inline: INLINE, Bytes, Bytes;
    shown: SHOWN, Bytes, ();
    manifests: MANIFESTS, Bytes, Bytes;
    tags: TAGS, Bytes, Bytes;
    referrers: REFERRERS, Bytes, Bytes;
    fills: FILLS, Bytes, Bytes;
    pins: PINS, &'static str, u64;
}

/// A repository's number in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RepositoryId(pub(crate) u32);

/// The key of what a repository has shown, and of its manifests.
pub(crate) fn shown_key(digest: &Digest, repository: RepositoryId) -> Vec<u8> {
    [digest.key(), &repository.0.to_be_bytes()].concat()
}

/// The key of a tag.
pub(crate) fn tag_key(repository: RepositoryId, tag: &Tag) -> Vec<u8> {
    [&repository.0.to_be_bytes(), tag.as_str().as_bytes()].concat()
}

/// The key of a digest's referrers.
pub(crate) fn referrers_key(repository: RepositoryId, subject: &Digest) -> Vec<u8> {
    [&repository.0.to_be_bytes(), subject.key()].concat()
}

/// The bounds of all keys that begin with `prefix`: inclusive, and exclusive unless there is no end.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// How a repository is written in the index.
pub(crate) fn repository_text(repository: &Repository) -> String {
    repository.to_string()
}

/// The inverse of [`repository_text`]: an upstream's name has no slash.
pub(crate) fn repository_from(text: &str) -> Option<Repository> {
    let (upstream, path) = text.split_once('/')?;
    Some(Repository {
        upstream: upstream.parse().ok()?,
        path: path.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_begins() {
        assert_eq!(prefix_end(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(prefix_end(&[1, 255]), Some(vec![2]));
        assert_eq!(prefix_end(&[255, 255]), None);
    }

    #[test]
    fn a_repository_is_read_as_it_was_written() {
        let repository = Repository {
            upstream: "registry.local:5000".parse().expect("valid"),
            path: "a/b".parse().expect("valid"),
        };
        assert_eq!(repository_from(&repository_text(&repository)), Some(repository));
        assert_eq!(repository_from("nothing"), None);
    }
}
