//! `kill -9` at any moment, and the power of what was written before.

mod kill;
mod rebuild;
mod selftest;
mod watchdog;
