//! The parts of the monitor together.

mod history;
mod sampling;
