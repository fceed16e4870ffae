//! Inspection: what lies on the disk, compared with what the index says, and mended while the box runs.
//!
//! | file | what |
//! |---|---|
//! | [`task`] | one task that knows when it is time, and does one pass at a time |
//! | [`run`] | a pass: from the steps of a walk to what follows from them |
//! | [`pass`] | how far a pass has come, and what it is to do next |
//! | [`record`] | what was found, for people |
//! | [`memory`] | what outlives the process |
//! | [`walker`] | who walks through the files |
//!
//! A **scan** looks at names and lengths, once a day: files that nobody lists go, rows without their file go. A
//! **scrub** reads everything, about once a week: bytes that are not what their name says go. Neither asks whether a
//! blob is in use: what is wrong is wrong for everybody, and is fetched again when it is asked for.
//!
//! # Promises
//! 1. One pass at a time; a scan that somebody asks for goes before a scrub, which goes on afterwards.
//! 2. A pass that was cut goes on from where it was, also in another process; at most a minute of it is done twice.
//! 3. What is arriving or about to be removed is left alone, and so is what is not ours.
//! 4. What it cannot do is told with its reason, and tried again less and less often.
//! 5. A file at which workers die is stepped over. It goes off the list when the walk goes on behind it: then it was
//!    the file, and not the worker.
//!
//! Must not know: HTTP, how files are read or removed, how the index is written.

mod memory;
mod pass;
mod record;
mod run;
mod task;
mod walker;

pub use record::{Ending, Fault, Record, Sums, What, Why};
pub use task::{Depth, Inspector, Outcomes, Settings, Stopped, Tally};
pub use walker::Walker;

#[cfg(test)]
mod tests;
