//! Too little of everything: bytes, inodes, memory.

mod disk;
mod eviction;
mod hands;
mod memory;
mod site;
