//! What clients send, request by request, without the clients (CLIENTS.md, first table).
//!
//! For what the installed versions do not do, and for machines on which a client can't run. Each sequence
//! verifies all it gets and gives back the digest of the image, as a client would.
//! Must not know: that the mirror is Larder.

mod containerd;
mod containers_image;
mod dockerd;
mod image;

pub use containerd::{containerd, containerd2};
pub use containers_image::skopeo;
pub use dockerd::dockerd;
pub use image::ACCEPT;

/// Why a pull by a sequence failed: what a client would print.
pub type Failure = String;
