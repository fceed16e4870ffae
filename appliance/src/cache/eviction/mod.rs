//! What goes first when the disk fills: arithmetic, and nothing else.
//!
//! | file | what |
//! |---|---|
//! | [`amount`] | bytes and inodes, and the one price for both |
//! | [`record`] | the sixteen bytes that are remembered of each piece of content |
//! | [`policy`] | GDSF, LRU or S3-FIFO: what a record says at a use, and in which order records go |
//! | [`ghosts`] | how much in demand something was that has gone |
//! | [`catalog`], [`builder`] | what people pull, of what is here |
//! | [`plan`] | the order in which to let it go until there is room; [`standing`]: what a unit is worth |
//! | [`verdict`] | why not enough could be freed, in numbers |
//! | [`forecast`] | when a resource will run out at this rate |
//!
//! # How it is used
//! A [`Record`] is made by [`Policy::admit`] when content is stored, changed by [`Policy::touch`] when it is
//! used, written to disk now and then and given to [`Policy::learn`] at the next start. When there is too
//! little room, a [`Catalog`] is built of all that is here, and its [`Plan`] says step by step what goes;
//! whoever carries a step out tells [`Policy::on_evicted`] of each thing that went.
//!
//! # Invariants
//! 1. What stays listed stays whole: a member goes only when no unit that stays has it.
//! 2. Nothing pinned, in use or young is ever in a step.
//! 3. The same catalog, goal and time give the same plan.
//! 4. A record that comes from a disk can be wrong, and does no harm.
//!
//! Must not know: digests, files, the index, clocks, threads.

pub mod amount;
pub mod builder;
pub mod catalog;
pub mod forecast;
pub mod ghosts;
pub mod plan;
pub mod policy;
pub mod record;
mod standing;
pub mod verdict;

#[cfg(test)]
mod tests;

pub use amount::{Amount, Capacity, Cost, Exchange, Price};
pub use builder::Builder;
pub use catalog::{Catalog, Hold, ImageId, Member, MemberId};
pub use forecast::{Forecast, Until};
pub use ghosts::Fingerprint;
pub use plan::{Plan, Step};
pub use policy::{Kind, Policy, Rank, Ranking};
pub use record::Record;
pub use verdict::{Outcome, Verdict};
