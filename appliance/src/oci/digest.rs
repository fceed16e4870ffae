//! Content digests: `sha256:…` and `sha512:…`, and the hasher that makes them.

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;

/// The hash algorithms the specification registers, and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    /// As written before the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of the hash in bytes.
    pub const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The byte that stands for the algorithm in [`Digest::key`]. On disk: never change one.
    pub(crate) const fn tag(self) -> u8 {
        match self {
            Self::Sha256 => 1,
            Self::Sha512 => 2,
        }
    }
}

/// The identity of a piece of content.
///
/// Stored as a tag byte and the raw hash, so that its key in the index needs no encoding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    // The tag byte, the hash, then zeros.
    key: [u8; 65],
}

/// Why a text is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a digest: write `sha256:` and 64, or `sha512:` and 128, lower-case hexadecimal digits"
)]
pub struct InvalidDigest {
    text: String,
}

impl Digest {
    /// Wraps a raw hash. `None` when its length is not the algorithm's.
    pub fn from_hash(algorithm: Algorithm, hash: &[u8]) -> Option<Self> {
        if hash.len() != algorithm.length() {
            return None;
        }
        let mut key = [0; 65];
        key[0] = algorithm.tag();
        key[1..=hash.len()].copy_from_slice(hash);
        Some(Self { algorithm, key })
    }

    /// The inverse of [`Digest::key`].
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (tag, hash) = key.split_first()?;
        let algorithm = [Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|a| a.tag() == *tag)?;
        Self::from_hash(algorithm, hash)
    }

    /// The digest of bytes at hand.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// A tag byte and the raw hash: 33 or 65 bytes, ordered, unique.
    pub fn key(&self) -> &[u8] {
        &self.key[..=self.algorithm.length()]
    }

    /// The hash in lower-case hexadecimal, without the algorithm.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.key[1..=self.algorithm.length()])
    }

    /// A name for a file: `sha256-0123…`. Parsed back by [`Digest::from_file_name`].
    pub fn file_name(&self) -> String {
        format!("{}-{}", self.algorithm.name(), self.hex())
    }

    /// The inverse of [`Digest::file_name`].
    pub fn from_file_name(name: &str) -> Option<Self> {
        let (algorithm, hex) = name.split_once('-')?;
        Self::from_parts(algorithm, hex)
    }

    fn from_parts(algorithm: &str, hex: &str) -> Option<Self> {
        let algorithm = [Algorithm::Sha256, Algorithm::Sha512]
            .into_iter()
            .find(|a| a.name() == algorithm)?;
        Self::from_hash(algorithm, &HEXLOWER.decode(hex.as_bytes()).ok()?)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(algorithm, hex)| Self::from_parts(algorithm, hex))
            .ok_or_else(|| InvalidDigest {
                text: text.chars().take(160).collect(),
            })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A running hash. Cloning it forks the computation: a second reader can go on from the same byte.
#[derive(Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    context: ring::digest::Context,
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        let context = ring::digest::Context::new(match algorithm {
            Algorithm::Sha256 => &ring::digest::SHA256,
            Algorithm::Sha512 => &ring::digest::SHA512,
        });
        Self { algorithm, context }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    pub fn finish(self) -> Digest {
        let hash = self.context.finish();
        let mut key = [0; 65];
        key[0] = self.algorithm.tag();
        key[1..=self.algorithm.length()].copy_from_slice(hash.as_ref());
        Digest {
            algorithm: self.algorithm,
            key,
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({})", self.algorithm.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_empty_content_has_its_well_known_digest() {
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), EMPTY);
    }

    #[test]
    fn text_key_and_file_name_round_trip() {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digest = Digest::of(algorithm, b"larder");
            assert_eq!(digest.to_string().parse(), Ok(digest));
            assert_eq!(Digest::from_key(digest.key()), Some(digest));
            assert_eq!(Digest::from_file_name(&digest.file_name()), Some(digest));
        }
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        let upper = EMPTY.to_uppercase();
        for text in [
            "",
            "sha256",
            "sha256:",
            "sha256:00",
            "md5:00",
            &EMPTY[..70],
            &upper,
            "sha512:e3b0",
            "../../x:y",
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
