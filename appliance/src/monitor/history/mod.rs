//! What was, over hours, days and a year.
//!
//! | file | what |
//! |---|---|
//! | [`summary`] | least, average and most of a time; of several times |
//! | [`span`] | how fine, and for how long it is kept |
//! | [`block`] | the summaries of all series in a span of time, as bytes |
//! | [`gatherer`] | what was sampled since the last block |
//! | [`archive`] | putting it on a shelf, finding it there, and what goes when |
//! | [`shelf`], [`redb_shelf`] | where it is |
//! | [`chronicle`] | the thread that does it |
//!
//! ```text
//! board ── each minute ──▶ gatherer ── every ten minutes ──▶ archive ── one transaction ──▶ shelf
//! ```
//!
//! # Promises
//! 1. Flash wears: one transaction in ten minutes at most, of a size that is bounded; figures are in SPEC.md.
//! 2. What it takes on the shelf is bounded, whatever the box has; the oldest goes first.
//! 3. A kill costs ten minutes at most, an orderly end nothing.
//! 4. A shelf that refuses costs what was to be put on it after an hour, and nothing else.
//!
//! Must not know: what is good or bad, how the file is opened.

mod archive;
mod block;
mod chronicle;
mod gatherer;
mod redb_shelf;
mod shelf;
mod span;
mod summary;

pub use archive::{Archive, Limits};
pub use chronicle::{Chronicle, Unread};
pub use gatherer::{Gatherer, Sealed};
pub use redb_shelf::RedbShelf;
pub use shelf::{Batch, Shelf, ShelfError};
pub use span::Fineness;
pub use summary::Summary;
