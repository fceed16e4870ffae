//! Incidents: from what the rules say to what the owner is told, once per cause.
//!
//! | file | what |
//! |---|---|
//! | [`incident`] | one incident and the states it goes through |
//! | [`engine`] | all incidents: which are told, held back, told again |
//! | [`judge`] | from rules and samples to signals |
//! | [`message`] | what is said: one incident, or a digest of several |
//! | [`dispatch`] | when it is said: quiet hours, rates |
//! | [`receiver`] | those who are told, and how each of them is told |
//! | [`silence`] | what nobody wants to hear of, and until when |
//!
//! ```text
//!           bad          bad for `pending`           fine for `keep`
//!   (OK) ──────▶ pending ────────────────▶ firing ⇄ recovering ──────▶ (OK)
//!     ◀───────────┘ not bad                 told once                  told once, if the firing was
//! ```
//!
//! # Promises
//! 1. An incident is told when it begins and when it has ended, whatever happens in between: samples that are
//!    missing or dropped, restarts, reboots, clocks that jump.
//! 2. What a deeper fault explains is not told while that lasts, and for a moment after.
//! 3. Everything here is arithmetic over times that are passed in: a week is replayed in milliseconds.
//!
//! Must not know: how things are measured, where any of it is stored. Only [`receiver`] knows where messages go, and
//! nothing else here knows it.

mod dispatch;
mod engine;
mod incident;
mod judge;
mod message;
pub mod receiver;
mod silence;

pub use dispatch::{Due, Wishes};
pub use engine::{Engine, Notice, Occasion, Overlay, Past, View};
pub use incident::{Incident, IncidentId, Phase, Signal, Subject};
pub use judge::judge;
pub use message::{Letter, Message, Told, Voice, compose};
pub use silence::{Silence, Silences};

#[cfg(test)]
mod tests;
