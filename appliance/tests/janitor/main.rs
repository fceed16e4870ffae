//! The janitor's worker as a real process that hangs, dies and grows.
//!
//! Nothing here waits without a bound, and what is waited for is an event: a step, a state, the end of a process.

mod bed;
mod faults;
mod limits;
mod points;
mod starved;
mod work;
