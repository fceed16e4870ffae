//! Where things lie in the cache's folder.
//!
//! ```text
//! lock                  one process at a time; holds its process id
//! index.redb            the index, with inline content
//! uses.log              what was used when; a help, not a truth
//! ballast-N             empty: inodes that are given back when the cache's own files find none
//! index.redb.corrupt-N  an index that could not be read, set aside; at most one is kept
//! fill/ALGORITHM-HEX    blobs that are arriving
//! blobs/ALGORITHM-HEX   whole blobs, verified before they came here
//! ```
//!
//! Flat folders: ext4's hashed directories hold millions of entries, and folders cost inodes, of which a
//! small disk has few. Must not know: what is in the files.

use std::path::{Path, PathBuf};

use crate::oci::Digest;

/// The paths of one cache.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(super) dir: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) index: PathBuf,
    pub(crate) fills: PathBuf,
    pub(crate) blobs: PathBuf,
    pub(super) uses: PathBuf,
}

/// What an index that was set aside is called, up to its number.
pub(super) const SET_ASIDE: &str = "index.redb.corrupt-";

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            lock: dir.join("lock"),
            index: dir.join("index.redb"),
            fills: dir.join("fill"),
            blobs: dir.join("blobs"),
            uses: dir.join("uses.log"),
        }
    }

    pub(super) fn fill(&self, digest: &Digest) -> PathBuf {
        self.fills.join(digest.file_name())
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.file_name())
    }
}
