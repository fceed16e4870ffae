//! A small blob that is always here, for whoever wants to see whether blobs are served at all.
//!
//! It is in every repository and costs no room. Must not know: who asks for it.

use std::sync::LazyLock;

use crate::oci::{Algorithm, Digest};

/// What is in it.
pub const OWN_BLOB: &[u8] = b"Larder serves this blob itself, so that it can see whether it serves blobs. \
It is in no registry, takes no room, and is of no use to anybody else. \
0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\n";

/// What it is asked for by.
pub fn own_blob() -> Digest {
    static DIGEST: LazyLock<Digest> = LazyLock::new(|| Digest::of(Algorithm::Sha256, OWN_BLOB));
    *DIGEST
}
