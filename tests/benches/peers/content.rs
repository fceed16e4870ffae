//! What all of them serve: one image for two platforms, with layers of the sizes to be measured.

use tests::{
    images::{Blob, Compression, Image, ImageBuilder, Layer, index, media, noise},
    sequences::ACCEPT,
};

pub(crate) const REPOSITORY: &str = "bench/app";
pub(crate) const TAG: &str = "v1";

/// Something that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wanted {
    /// The manifest of one platform, by digest.
    Manifest,
    /// The index, by tag.
    Tag,
    /// 1 KiB.
    Small,
    /// 1 MiB.
    Middle,
    Big,
}

impl Wanted {
    pub(crate) const ALL: [Self; 5] = [Self::Manifest, Self::Tag, Self::Small, Self::Middle, Self::Big];
}

/// The image, and where its parts are asked for.
pub(crate) struct Fixture {
    /// The index over both platforms.
    pub(crate) image: Image,
}

impl Fixture {
    pub(crate) fn new(big: usize) -> Self {
        let measured = [1 << 10, 1 << 20, big];
        let measured = measured.into_iter().zip(1..).map(|(size, seed)| raw(seed, size));
        let children = vec![
            ImageBuilder::new("amd64").layers(measured).build(),
            ImageBuilder::new("arm64")
                .layer(Layer::noise(4, 1 << 10, Compression::Gzip))
                .build(),
        ];
        Self {
            image: index(children),
        }
    }

    /// What a request for it gives.
    pub(crate) fn blob(&self, wanted: Wanted) -> &Blob {
        let platform = self.image.for_architecture("amd64");
        match wanted {
            Wanted::Manifest => &platform.manifest,
            Wanted::Tag => &self.image.manifest,
            Wanted::Small => &platform.layers()[0],
            Wanted::Middle => &platform.layers()[1],
            Wanted::Big => &platform.layers()[2],
        }
    }

    pub(crate) fn path(&self, wanted: Wanted) -> String {
        let digest = &self.blob(wanted).digest;
        match wanted {
            Wanted::Tag => format!("/v2/{REPOSITORY}/manifests/{TAG}"),
            Wanted::Manifest => format!("/v2/{REPOSITORY}/manifests/{digest}"),
            _ => format!("/v2/{REPOSITORY}/blobs/{digest}"),
        }
    }

    /// Gives the big blob's memory back; its digest stays.
    pub(crate) fn forget_bytes(&mut self) {
        for blob in self.image.children.iter_mut().flat_map(|child| &mut child.blobs) {
            blob.bytes = bytes::Bytes::new();
        }
    }
}

/// Every media type of a manifest, in one line.
pub(crate) fn accept() -> String {
    ACCEPT.join(", ")
}

/// A layer of exactly `size` bytes. Nobody unpacks it.
fn raw(seed: u64, size: usize) -> Layer {
    let blob = Blob::new(media::OCI_TAR, noise(seed, size));
    Layer {
        diff_id: blob.digest.clone(),
        blob,
    }
}
