//! Digests as registries write them: `sha256:…`, `sha512:…`.
//!
//! Must not know: what is digested.

use data_encoding::HEXLOWER;
use ring::digest::{Algorithm, Context, SHA256, SHA512};

/// The `sha256:` digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> String {
    digest("sha256", &SHA256, bytes)
}

/// The `sha512:` digest of `bytes`.
pub fn sha512(bytes: &[u8]) -> String {
    digest("sha512", &SHA512, bytes)
}

fn digest(name: &str, algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    let hash = ring::digest::digest(algorithm, bytes);
    format!("{name}:{}", HEXLOWER.encode(hash.as_ref()))
}

/// Hashes a body as it arrives, by the algorithm its digest names.
pub struct Hasher {
    name: &'static str,
    context: Context,
}

impl Hasher {
    /// A hasher for the algorithm that `digest` names; sha256 for everything but `sha512:`.
    pub fn like(digest: &str) -> Self {
        let (name, algorithm) = if digest.starts_with("sha512:") {
            ("sha512", &SHA512)
        } else {
            ("sha256", &SHA256)
        };
        Self {
            name,
            context: Context::new(algorithm),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub fn finish(self) -> String {
        format!(
            "{}:{}",
            self.name,
            HEXLOWER.encode(self.context.finish().as_ref())
        )
    }
}
