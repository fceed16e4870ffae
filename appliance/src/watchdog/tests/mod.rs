//! The watchdog, with time passed in.

mod judging;
