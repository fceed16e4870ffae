//! The watchdog: whether the house gets on with its work, and what is done when it does not.
//!
//! | file | what |
//! |---|---|
//! | [`part`] | who is watched, how long each may take for a step, and what helps |
//! | [`judge`] | beats and time: who makes no progress |
//! | [`ladder`] | what is done about it, one rung after the other |
//! | [`history`], [`memory`] | the resets that there were, and the file that keeps them |
//! | [`guard`], [`keeper`] | a thread outside of the runtime that looks again and again, and its hands |
//! | [`scribe`] | another, which says and writes what happened, and may have to wait for it |
//! | [`device`] | the machine's own watchdog, behind all of it |
//! | [`probe`] | knocking at the box's own door |
//! | [`pressure`] | want of memory, for which what can wait waits |
//! | [`notify`] | the service manager that starts the process anew |
//!
//! ```text
//! beats ──▶ judge ──▶ ladder ──▶ tell ─▶ kill the worker ─▶ leave its work alone
//!                                   └──▶ restart the process ─▶ hardware reset
//! ```
//!
//! It is fed by work, and not by life: a part that has nothing to do is never late, and one that has and makes no step
//! of it is, however alive it is.
//!
//! # Promises
//! 1. It looks on while the runtime, the disk or the log is stuck, and takes no memory for it after the start.
//! 2. Time in which this process did not run counts against nobody.
//! 3. What is housekeeping never costs more than the worker: no pull ends because a collection hangs.
//!
//! Must not know: what the parts do, who gives them work.

mod device;
mod guard;
mod history;
mod judge;
mod keeper;
mod ladder;
mod memory;
mod notify;
mod part;
mod pressure;
mod probe;
mod scribe;

pub use device::{Choice, Closing, Device, Dials, Facts, Start, Unfed};
pub use guard::{Acts, Guard, Standing};
pub use history::{History, Late, Reset, What};
pub use judge::{Judge, Silence};
pub use keeper::Keeper;
pub use ladder::{Circumstances, Footing, Ladder, Step};
pub use memory::Memory;
pub use notify::{Manager, Unreachable};
pub use part::{Part, Remedy};
pub use pressure::{Gauge, Pressure, Watch};
pub use probe::{Answer, Knock, PATIENCE, doors};
pub use scribe::{Chores, Past, Scribe};

/// The process's exit code when it is to be started anew: a failure that may not come again (`EX_TEMPFAIL`).
pub const RESTART: u8 = 75;

#[cfg(test)]
mod tests;
