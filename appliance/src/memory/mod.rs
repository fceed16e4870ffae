//! The one budget for bytes in flight.
//!
//! Every byte that is held between two sockets, or between a socket and the disk, is covered by a [`Permit`]
//! of one [`Pool`]. A permit lives *in* the buffer it covers ([`Buffer`]) and returns itself when the buffer's
//! last holder drops it: there is nothing to call and nothing to forget, on any path.
//!
//! Promises: what is in use never exceeds the capacity; whoever finds the pool empty waits, in order, up to a
//! deadline and is then told so; in debug builds a released buffer is overwritten, so that a reader who held
//! on to it is seen. Must not know: what the bytes are.

mod pool;

pub use pool::{Buffer, Exhausted, Permit, Pool, PoolUsage};
