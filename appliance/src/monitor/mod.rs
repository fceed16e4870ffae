//! What the box and the mirror measure of themselves.
//!
//! | file | what |
//! |---|---|
//! | [`probe`] | reading: a probe for each group of things |
//! | [`figures`] | what the mirror says of itself |
//! | [`sampler`], [`desk`] | when: a thread that keeps the time, and one for each group that may have to wait |
//! | [`sheet`] | what one look has read |
//! | [`gate`] | which samples can be believed |
//! | [`board`] | everything that was sampled lately |
//! | [`ring`] | the last hour, in fixed memory |
//! | [`culprit`] | which process is to blame |
//! | [`history`] | a day by the minute, a week by ten minutes, a year by two hours, on the disk |
//!
//! ```text
//! probes ──▶ readings ──▶ gate ──▶ samples ──▶ rings, history, rules
//!                           └────▶ what was dropped, and why
//! ```
//!
//! # Promises
//! 1. A sample that cannot be true is dropped, counted and shown with its reason. Nothing is made up in its place.
//! 2. Memory is taken at the start and does not grow with time.
//!
//! Must not know: rules, incidents, who looks.

mod board;
mod culprit;
mod desk;
pub mod figures;
mod gate;
pub mod history;
pub mod probe;
mod ring;
mod sampler;
mod sheet;

pub use board::{Board, Now};
pub use culprit::{Culprit, Scarce, culprit};
pub use gate::{Elapsed, Gate, Implausible, Raw, Reading};
pub use ring::{Point, Ring};
pub use sampler::{Round, Sampler, Settings, SharedBoard};
pub use sheet::Sheet;

#[cfg(test)]
mod tests;
