//! Where things lie in the cache's folder.
//!
//! ```text
//! lock                  one process at a time; holds its process id
//! index.redb            the index, with inline content
//! index.redb.new        a smaller copy of it, while that is made
//! uses.log              what was used when; a help, not a truth
//! ballast-N             empty: inodes that are given back when the cache's own files find none
//! index.redb.corrupt-N  an index that could not be read, set aside; at most one is kept
//! fill/ALGORITHM-HEX    blobs that are arriving
//! blobs/ALGORITHM-HEX   whole blobs, verified before they came here
//! ```
//!
//! Flat folders: ext4's hashed directories hold millions of entries, and folders cost inodes, of which a
//! small disk has few. Must not know: what is in the files.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::ballast;
use crate::oci::Digest;

/// The paths of one cache.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) dir: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) index: PathBuf,
    pub(super) compacted: PathBuf,
    pub(crate) fills: PathBuf,
    pub(crate) blobs: PathBuf,
    pub(super) uses: PathBuf,
}

/// What an index that was set aside is called, up to its number.
pub(super) const SET_ASIDE: &str = "index.redb.corrupt-";

/// What the rest of the house keeps beside the cache: the commands' socket, the certificate, what was collected and
/// inspected, and the resets that there were.
const HOUSEMATES: [&str; 9] = [
    "larder.sock",
    "tls",
    "collections.log",
    "collections.new",
    "inspection.json",
    "inspection.new",
    "state.redb",
    "state.redb.damaged",
    "watchdog",
];

impl Layout {
    pub(crate) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            lock: dir.join("lock"),
            index: dir.join("index.redb"),
            compacted: dir.join("index.redb.new"),
            fills: dir.join("fill"),
            blobs: dir.join("blobs"),
            uses: dir.join("uses.log"),
        }
    }

    /// Whether something in the cache's own folder belongs there.
    pub(crate) fn is_ours(&self, name: &OsStr) -> bool {
        // A kill can leave the log of uses half written anew: it is written over.
        let uses_anew = self.uses.with_extension("new");
        let ours = [
            &self.lock,
            &self.index,
            &self.compacted,
            &self.uses,
            &uses_anew,
            &self.fills,
            &self.blobs,
        ];
        let is_aside = || {
            name.to_str()
                .is_some_and(|name| name.starts_with(SET_ASIDE) || name.starts_with(ballast::NAME))
        };
        ours.iter().any(|path| path.file_name() == Some(name))
            || HOUSEMATES.iter().any(|housemate| name == *housemate)
            || is_aside()
    }

    pub(super) fn fill(&self, digest: &Digest) -> PathBuf {
        self.fills.join(digest.file_name())
    }

    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        self.blobs.join(digest.file_name())
    }
}
