//! How bytes leave the box.
//!
//! A cached blob goes from the page cache to the socket inside the kernel: [`FileBody`] hands hyper slices
//! of a mapping that nobody reads, and [`Socket`] recognises them ([`Windows`]) and calls `sendfile`. Over
//! TLS and HTTP/2, where bytes must be framed, the same body reads into buffers of the memory budget. A file
//! that is still being written is followed through its [`Growth`].
//!
//! Promises: any number of readers at their own pace, none slows another or the writer; nothing is copied
//! in user space on plain HTTP/1.1; a response that cannot be completed is reset, never ended short.
//! Must not know: registries, digests, the cache. It sends files, and streams of buffers.

mod body;
mod copy;
mod file_body;
mod growth;
mod socket;
mod windows;

pub use body::{Body, BodyError, BufferStream};
pub use file_body::{Delivery, FileBody, Line, Span};
pub use growth::{Ended, Growing, Growth, Onward};
pub use socket::Socket;
pub use windows::Windows;
