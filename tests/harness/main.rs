//! The tests' own tools, proven against each other and against Debian's registry, without Larder.
//!
//! What fails here makes every other failure meaningless.

mod clients;
mod disks;
mod dns;
mod faults;
mod registry;
mod sequences;
mod upstream;
