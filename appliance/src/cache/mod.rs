//! What the site has: blobs, manifests, tags, and blobs that are arriving.
//!
//! | file | what |
//! |---|---|
//! | [`cache`], [`lookup`], [`store`] | the cache as the mirror sees it: itself, what is here, what comes and goes |
//! | [`content`], [`options`], [`stats`], [`error`] | what goes in and comes out |
//! | [`index`] | what is here and who may see it, in redb, with inline content |
//! | [`files`] | opening whole blobs |
//! | [`fill`], [`syncing`], [`publish`] | a blob on its way in: written and hashed, synced, listed |
//! | [`admission`] | room, and one fill per digest |
//! | [`compaction`] | a smaller index, when it is worth it |
//! | [`inspection`], [`comparison`], [`distrusted`] | files and index side by side |
//! | [`leftovers`], [`abandoned`] | partials that nobody fills: counted, and let go |
//! | [`recovery`] | listing what a crash or a lost index has left |
//! | [`uses`] | what was used when, and is in use |
//! | [`pressure`], [`census`], [`eviction`], [`collection`] | how full it is, what is here, what goes first, and its going |
//! | [`layout`], [`lock`], [`boot`], [`disk`], [`space`] | paths, one process, which boot, system calls, room |
//! | [`ballast`], [`small_file`] | inodes for the house's own files when there are none, and such files |
//! | [`small_database`] | the same for what belongs together |
//!
//! # Invariants
//! 1. A row is written after its file is durable, and removed before its file is: what is listed is whole. A
//!    file without a row is found by the recovery; a row without a file heals when it is met.
//! 2. Nothing gets a name under `blobs/` or a row before its hash matched ([`VerifiedFill`],
//!    [`VerifiedBytes`]).
//! 3. A repository sees only what its upstream has been shown to have. Content is stored once.
//! 4. A disk that refuses is a state ([`State::PassThrough`]), never a failed pull: reading goes on as far as
//!    it can, and storing begins again by itself.
//! 5. Only one thread writes to the index, and whoever waits for it can stop waiting.
//! 6. Times of tags that were only checked again are kept in memory for minutes: flash wears.
//!
//! Must not know: HTTP, upstreams, what is worth keeping.

mod abandoned;
mod admission;
mod ballast;
mod boot;
#[expect(clippy::module_inception, reason = "the room is named after what it holds")]
mod cache;
mod census;
mod collection;
mod compaction;
mod comparison;
mod content;
mod disk;
mod distrusted;
mod error;
pub mod eviction;
mod files;
mod fill;
mod index;
mod inspection;
mod layout;
mod leftovers;
mod lock;
mod lookup;
mod options;
mod pressure;
mod publish;
mod recovery;
mod small_database;
mod small_file;
mod space;
mod stats;
mod store;
mod syncing;
mod uses;

#[cfg(test)]
mod tests;

pub use admission::Refusal;
pub use boot::BootId;
pub use cache::Cache;
pub use census::{Costs, Terms};
pub use collection::{Collection, Condemned, Remains, Taken};
pub use compaction::{CompactWhen, Occupancy};
pub use content::{
    BlobFile, Content, ImageRow, Mismatch, Presence, ReferrersRecord, TagRecord, Unfinished, VerifiedBytes,
};
pub use disk::{Call, Disk, Faults};
pub use error::{CacheError, Kind, Resource};
pub use fill::Fill;
pub use index::{Compacted, Counters, State};
pub use inspection::{Ages, Differences, Purpose, Seen, Stretch};
pub(crate) use layout::Layout;
pub use options::Options;
pub use pressure::{Level, Pressure};
pub use publish::VerifiedFill;
pub use recovery::{Adopted, Era, Examined, Stamp};
pub use small_database::SmallDatabase;
pub use small_file::SmallFile;
pub use space::Space;
pub use stats::CacheStats;
pub use uses::Lease;
