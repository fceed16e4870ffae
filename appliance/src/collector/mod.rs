//! The collector: when there has to be room, and making it.
//!
//! | file | what |
//! |---|---|
//! | [`task`] | one task that waits for a reason, and does one collection at a time |
//! | [`run`] | one collection, from the plan to the check that there is room now |
//! | [`compactor`] | when the index's own file is made smaller |
//! | [`vain`] | whether what was freed is free |
//! | [`refusals`] | room for a disk that refuses writes below its marks |
//! | [`hands`] | who removes files |
//! | [`record`], [`history`] | what was done, for people |
//!
//! ```text
//! a fill finds the cache above `high` ─┐
//! it fills so fast that it will be soon ┼─▶ one collection: plan ─▶ index ─▶ files ─▶ is there room now?
//! a person, the maintenance window ─────┘        ▲                                     │ no
//!                                                └─── once more with less grace ◀──────┘
//! ```
//!
//! # Promises
//! 1. One collection at a time: who asks while one runs is answered by it.
//! 2. No pull waits for it or fails of it: above `stop` content passes through, whatever becomes of it.
//! 3. What it cannot do is a verdict with numbers, told once, and not a loop.
//! 4. Content is off the list before its file goes; if the file cannot be removed, nothing more is taken off.
//!
//! Must not know: HTTP, how files are removed, what is worth keeping (that is [`crate::cache::eviction`]).

mod compactor;
mod hands;
mod history;
mod record;
mod refusals;
mod run;
mod task;
mod vain;

pub use compactor::{Compactor, CompactorSettings};
pub use hands::{Hands, Removed, Unable, remove_condemned};
pub use record::{Counts, Ending, Record, Why};
pub use task::{Collector, Settings, Stopped};

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
