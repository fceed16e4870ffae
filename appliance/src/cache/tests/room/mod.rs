//! Making room while everything else goes on: what goes, what stays, and what is left on the disk.
//!
//! | file | what |
//! |---|---|
//! | [`shelf`] | a few images that share layers |
//! | [`model`], [`world`], [`checks`] | any order of operations, and what must hold after each |
//! | [`races`] | what happens between a plan and its execution, one case at a time |
//! | [`leaks`] | files and rows that nobody would look after any more |
//! | [`faults`] | system calls that fail meanwhile |

mod checks;
mod faults;
mod leaks;
mod model;
mod races;
mod shelf;
mod world;

use super::*;
