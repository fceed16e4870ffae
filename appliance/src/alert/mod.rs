//! Incidents: from what the rules say to what the owner is told, once per cause.
//!
//! | file | what |
//! |---|---|
//! | [`incident`] | one incident and the states it goes through |
//! | [`engine`] | all incidents: which are told, held back, told again |
//! | [`flaps`] | what comes and goes |
//! | [`judge`] | from rules and samples to signals |
//! | [`message`] | what is said: one incident, or a digest of several |
//! | [`dispatch`] | when it is said: quiet hours, rates |
//! | [`book`] | all incidents, the letters about them, and who has had which |
//! | [`store`], [`writing`] | where the book is written down, and when |
//! | [`post`] | what waits for a receiver, sent when it is time, until it has arrived |
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
//! 3. What decides is arithmetic over times that are passed in: a week is replayed in milliseconds.
//!
//! 4. A change of state and the letters that follow from it are written down together, before anything is sent; what was
//!    sent is noted after it has arrived. A crash sends a message twice at the most, and loses none.
//! 5. Neither a disk nor a receiver that hangs keeps others from being told.
//!
//! Must not know: how things are measured. Only [`receiver`] knows where messages go, and only [`store`] what they are
//! written to.

mod book;
mod dispatch;
mod engine;
mod flaps;
mod incident;
mod judge;
mod message;
mod post;
pub mod receiver;
mod silence;
mod store;
mod writing;

pub use book::{Book, Failing, Head, Page, Reached, Waiting};
pub use dispatch::{Due, Wishes};
pub use engine::{Engine, Notice, Occasion, Overlay, Past, View};
pub use incident::{Ending, Incident, IncidentId, Phase, Signal, Subject};
pub use judge::{Timing, judge};
pub use message::{About, Letter, Message, Told, Voice, compose};
pub use post::{Addressee, Post};
pub use silence::{Silence, Silences};
pub use store::{Shelf, Store};
pub use writing::{Writing, Written};

#[cfg(test)]
mod tests;
