//! The vocabulary of the OCI distribution specification: digests, repositories, tags, media types.
//!
//! Text is parsed here, once, at the edge; everything below works with values that cannot be wrong.
//! Promises: a value of these types is valid by construction, cheap to clone, and prints as it was written.
//! Must not know: HTTP, the cache, the upstreams.

mod digest;
mod image;
mod links;
mod media;
mod name;
mod platform;

pub use digest::{Algorithm, Digest, Hasher, InvalidDigest};
pub use image::{Image, InvalidImage};
pub use links::{InvalidManifest, Link, Links, Platform};
pub use media::{InvalidMediaType, MediaType};
pub use name::{InvalidName, Reference, Repository, RepositoryPath, Tag, UpstreamName};
pub use platform::InvalidPlatform;

use bytes::Bytes;

/// The largest manifest that is accepted, in bytes. The specification asks registries to take at least
/// 4 MiB; Docker Hub and distribution stop there, so nothing larger exists in the wild. The limit keeps one
/// hostile answer from taking the memory of the box.
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// A manifest whose bytes are known to match its digest.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// What the bytes hash to.
    pub digest: Digest,
    /// As the registry declared it in `Content-Type`.
    pub media_type: MediaType,
    /// The document, byte for byte as the registry sent it.
    pub bytes: Bytes,
}
