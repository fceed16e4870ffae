//! The one budget for bytes in flight.
//!
//! Every byte that is held between two sockets, or between a socket and the disk, is covered by a [`Permit`]
//! of one [`Budget`], which is divided into [`Pool`]s. A permit lives *in* the bytes it covers (a [`Buffer`], or
//! [`Bytes`](bytes::Bytes) that many share) and returns itself when their last holder drops them: there is
//! nothing to call and nothing to forget, on any path.
//!
//! Promises: what is in use never exceeds the capacity; whoever finds the pool empty waits, in order, up to a
//! deadline and is then told so; in debug builds a released buffer is overwritten, so that a reader who held
//! on to it is seen. Must not know: what the bytes are.

mod budget;
mod buffer;
mod permit;
mod pool;

#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use buffer::Buffer;
pub use permit::Permit;
pub use pool::{Exhausted, Pool, PoolUsage};
