//! What a box tells its owner, and when: the real daemon, and somebody who is told.

mod kill;
mod off;
mod told;
