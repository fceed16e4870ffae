//! The watchdog, with time passed in.

mod judging;
mod remembering;
mod telling;
