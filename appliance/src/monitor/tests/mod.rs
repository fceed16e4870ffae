//! The parts of the monitor together.

mod bed;
mod history;
mod sampling;
