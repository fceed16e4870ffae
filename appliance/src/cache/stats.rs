//! The cache in numbers.

use super::{
    eviction::Amount,
    index::{Counters, State},
    space::Space,
};

/// What the cache holds and how much room it has. Cheap: nothing is counted for it.
#[derive(Clone, Debug)]
pub struct CacheStats {
    /// Everything that is whole: blob files, inline blobs and manifests.
    pub blobs: u64,
    /// Of which in the index.
    pub inline: u64,
    /// Manifests, counted once per repository that has them.
    pub manifests: u64,
    pub tags: u64,
    /// Content in bytes, in files and inline.
    pub bytes: u64,
    /// Of which in the index.
    pub inline_bytes: u64,
    /// Blob files.
    pub files: u64,
    /// The filesystem's room; `inodes == 0` means that it has no inode limit. `None` when it cannot be asked.
    pub space: Option<Space>,
    /// The cache's own limits, if it has any.
    pub max_bytes: Option<u64>,
    pub max_inodes: Option<u64>,
    /// The length of the index's file in bytes; 0 while it is not in use.
    pub index_bytes: u64,
    /// Blobs that began to arrive and are not whole.
    pub partials: u64,
    /// Of which are arriving now.
    pub filling: u64,
    /// What nobody fills, as files.
    pub abandoned: Amount,
    /// Files that are not listed any more and wait for their removal.
    pub condemned: u64,
    pub state: State,
    pub counters: Counters,
}
