//! Layers: tar archives, packed in the ways registries know.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression as GzipLevel, write::GzEncoder};

use super::{Blob, media};
use crate::digest;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
    /// Gzip under Docker's media type.
    DockerGzip,
}

/// A layer and the digest of its unpacked tar, which an image's configuration lists.
#[derive(Clone, Debug)]
pub struct Layer {
    pub blob: Blob,
    pub diff_id: String,
}

impl Layer {
    /// A layer of the given files.
    pub fn of(files: &[(&str, Bytes)], compression: Compression) -> Self {
        let tar = tar(files);
        let diff_id = digest::sha256(&tar);
        let blob = match compression {
            Compression::None => Blob::new(media::OCI_TAR, tar),
            Compression::Gzip => Blob::new(media::OCI_TAR_GZIP, gzip(&tar)),
            Compression::DockerGzip => Blob::new(media::DOCKER_TAR_GZIP, gzip(&tar)),
            Compression::Zstd => Blob::new(
                media::OCI_TAR_ZSTD,
                zstd::encode_all(&tar[..], 3).expect("packing in memory"),
            ),
        };
        Self { blob, diff_id }
    }

    /// A layer of one incompressible file of `size` bytes, named so that layers do not hide one another.
    pub fn noise(seed: u64, size: usize, compression: Compression) -> Self {
        Self::of(&[(&format!("data/{seed:016x}"), noise(seed, size))], compression)
    }
}

/// `size` bytes that look random and are the same for the same seed.
pub fn noise(seed: u64, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

fn tar(files: &[(&str, Bytes)]) -> Vec<u8> {
    let room: usize = files.iter().map(|(_, bytes)| bytes.len() + 1024).sum();
    let mut archive = tar::Builder::new(Vec::with_capacity(room + 1024));
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_000_000_000);
        archive
            .append_data(&mut header, path, &bytes[..])
            .expect("packing in memory");
    }
    archive.into_inner().expect("packing in memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), GzipLevel::fast());
    encoder.write_all(bytes).expect("packing in memory");
    encoder.finish().expect("packing in memory")
}
