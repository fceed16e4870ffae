//! Images for replays: noise that is the same in each run, made when it is asked for.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::json;

use crate::oci::{Algorithm, Digest, MediaType};

/// In which all of it lies.
pub(super) const REPOSITORY: &str = "team/app";
/// What its registry is called.
pub(super) const UPSTREAM: &str = "registry.test";

/// Bytes that no two seeds have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noise {
    pub(super) seed: u64,
    pub(super) size: u64,
}

impl Noise {
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.size).unwrap_or(0)];
        fastrand::Rng::with_seed(self.seed).fill(&mut bytes);
        bytes
    }

    pub(super) fn blob(self) -> Blob {
        Blob {
            digest: Digest::of(Algorithm::Sha256, &self.bytes()),
            noise: self,
        }
    }
}

/// A blob, and how it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) noise: Noise,
}

impl Blob {
    /// Where a mirror has it.
    pub(super) fn path(&self) -> String {
        format!("/v2/{UPSTREAM}/{REPOSITORY}/blobs/{}", self.digest)
    }

    pub(super) const fn size(&self) -> u64 {
        self.noise.size
    }
}

/// An image under a tag.
#[derive(Clone, Debug)]
pub(super) struct Image {
    pub(super) tag: String,
    pub(super) manifest: Bytes,
    pub(super) blobs: Vec<Blob>,
}

impl Image {
    /// Of layers; the first blob is its configuration.
    pub(super) fn new(tag: &str, blobs: Vec<Blob>) -> Self {
        let described = |blob: &Blob| {
            json!({
                "mediaType": "application/octet-stream",
                "digest": blob.digest.to_string(),
                "size": blob.size(),
            })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": blobs.first().map(described),
            "layers": blobs.iter().skip(1).map(described).collect::<Vec<_>>(),
        });
        Self {
            tag: tag.to_owned(),
            manifest: manifest.to_string().into(),
            blobs,
        }
    }

    /// Where a mirror has its manifest.
    pub(super) fn path(&self) -> String {
        format!("/v2/{UPSTREAM}/{REPOSITORY}/manifests/{}", self.tag)
    }

    pub(super) fn size(&self) -> u64 {
        self.blobs.iter().map(Blob::size).sum()
    }
}

/// What a registry has.
#[derive(Clone, Debug, Default)]
pub(super) struct Stock {
    pub(super) blobs: HashMap<Digest, Noise>,
    /// By tag and by digest.
    pub(super) manifests: HashMap<String, (Digest, Bytes)>,
}

impl Stock {
    pub(super) fn add_blob(&mut self, blob: &Blob) {
        self.blobs.insert(blob.digest, blob.noise);
    }

    pub(super) fn add(&mut self, image: &Image) {
        for blob in &image.blobs {
            self.add_blob(blob);
        }
        let digest = Digest::of(Algorithm::Sha256, &image.manifest);
        for name in [image.tag.clone(), digest.to_string()] {
            self.manifests.insert(name, (digest, image.manifest.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_the_same_each_time_and_no_two_seeds_make_the_same() {
        let noise = |seed| Noise { seed, size: 100 };
        assert_eq!(noise(1).blob(), noise(1).blob());
        assert_ne!(noise(1).blob().digest, noise(2).blob().digest);
        assert_eq!(noise(3).bytes().len(), 100);
    }

    #[test]
    fn an_image_names_what_it_is_made_of() {
        let blobs: Vec<Blob> = (0..3)
            .map(|seed| {
                Noise {
                    seed,
                    size: 50 + seed,
                }
                .blob()
            })
            .collect();
        let image = Image::new("v1", blobs.clone());
        let links = crate::oci::Links::of(&image.manifest).expect("a manifest");
        let named: Vec<Digest> = links.blobs.iter().map(|link| link.digest).collect();
        assert_eq!(named, blobs.iter().map(|blob| blob.digest).collect::<Vec<_>>());
        assert_eq!(image.size(), 153);
        let mut stock = Stock::default();
        stock.add(&image);
        assert_eq!((stock.blobs.len(), stock.manifests.len()), (3, 2));
    }
}
