//! What a box tells its owner, and when: the real daemon, and somebody who is told.

mod hook;
mod kill;
mod told;
