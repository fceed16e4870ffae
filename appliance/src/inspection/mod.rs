//! Inspection: what lies on the disk, compared with what the index says, and mended while the box runs.
//!
//! | file | what |
//! |---|---|
//! | [`inspector`] | asking for a pass, and about passes |
//! | [`task`], [`rest`] | one task that knows when it is time, and does one pass at a time |
//! | [`run`], [`walking`] | a pass: from the steps of a walk to what follows from them |
//! | [`recovery`], [`scan`], [`scrub`] | what follows, by kind of pass |
//! | [`pass`], [`search`] | how far a pass has come, and what it is to do next |
//! | [`record`], [`told`], [`halted`] | what was found, for people; why it does not go on |
//! | [`memory`], [`saving`] | what outlives the process |
//! | [`settings`] | paces, ages, windows |
//! | [`walker`] | who walks through the files |
//!
//! A **recovery** is done at each start, and when the index was lost: what a crash or the loss has left without a row is
//! read, and listed if it is whole. A **scan** looks at names and lengths, once a day: files that nobody lists go, rows
//! without their file go. A **scrub** reads everything, about once a week: bytes that are not what their name says go.
//! None asks whether a blob is in use: what is wrong is wrong for everybody, and is fetched again when it is asked for.
//!
//! # Promises
//! 1. One pass at a time; a recovery goes before the others, and a scan that somebody asks for before a scrub, which
//!    goes on afterwards.
//! 2. A pass that was cut goes on from where it was; a scan or a scrub also in another process, with at most a minute
//!    of it done twice. A recovery begins anew there, and does not read again what it has listed.
//! 3. What is arriving or about to be removed is left alone, and so is what is not ours. Until a recovery is done,
//!    nothing counts as what nobody wants.
//! 4. What it cannot do is told with its reason, and tried again less and less often.
//! 5. A file at which workers die is stepped over. It goes off the list when the walk goes on behind it: then it was
//!    the file, and not the worker.
//!
//! Must not know: HTTP, how files are read or removed, how the index is written.

mod halted;
mod inspector;
mod memory;
mod pass;
mod record;
mod recovery;
mod rest;
mod run;
mod saving;
mod scan;
mod scrub;
mod search;
mod settings;
mod task;
mod told;
mod walker;
mod walking;

pub use inspector::{Depth, Inspector, Stopped};
pub use record::{Ending, Fault, Record, Sums, What, Why};
pub use settings::Settings;
pub use told::{Outcomes, Tally};
pub use walker::Walker;

#[cfg(test)]
pub(crate) mod alone;
#[cfg(test)]
mod tests;
