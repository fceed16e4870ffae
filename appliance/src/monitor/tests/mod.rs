//! The parts of the monitor together.

mod sampling;
