//! Images built by hand, so that no container runtime is needed to have something to pull.
//!
//! Promises: the same seed gives the same digests; every layer is a tar that real clients unpack.
//! Must not know: where the images go.

mod builder;
mod layer;
mod zoo;

pub use builder::{ImageBuilder, artifact, docker_list, index};
pub use layer::{Compression, Layer, noise};
pub use zoo::Zoo;

use bytes::Bytes;

use crate::digest;

pub mod media {
    //! The media types in use.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub const OCI_TAR: &str = "application/vnd.oci.image.layer.v1.tar";
    pub const OCI_TAR_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    pub const OCI_TAR_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    pub const DOCKER_TAR_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
}

/// Something with a digest: a layer, a configuration, a manifest.
#[derive(Clone, Debug)]
pub struct Blob {
    pub digest: String,
    pub media_type: String,
    pub bytes: Bytes,
}

impl Blob {
    pub fn new(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: digest::sha256(&bytes),
            media_type: media_type.to_owned(),
            bytes,
        }
    }

    /// The same, named by its SHA-512.
    pub fn with_sha512(media_type: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: digest::sha512(&bytes),
            media_type: media_type.to_owned(),
            bytes,
        }
    }

    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How another manifest refers to it.
    pub fn descriptor(&self) -> serde_json::Value {
        serde_json::json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

/// An image, an index with its images, or an artifact.
#[derive(Clone, Debug)]
pub struct Image {
    pub manifest: Blob,
    /// Configuration first, then layers.
    pub blobs: Vec<Blob>,
    /// The images of an index.
    pub children: Vec<Image>,
    /// `amd64`, `arm64`; nothing for an index.
    pub architecture: Option<String>,
}

impl Image {
    pub fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// Every manifest below and including this one, children first.
    pub fn manifests(&self) -> Vec<&Blob> {
        let mut all: Vec<&Blob> = self.children.iter().flat_map(Image::manifests).collect();
        all.push(&self.manifest);
        all
    }

    /// Every blob of this image and its children.
    pub fn all_blobs(&self) -> Vec<&Blob> {
        self.blobs
            .iter()
            .chain(self.children.iter().flat_map(Image::all_blobs))
            .collect()
    }

    /// The layers of an image (not of an index).
    pub fn layers(&self) -> &[Blob] {
        self.blobs.get(1..).unwrap_or_default()
    }

    /// What a client on `architecture` ends up with: this image, or the fitting one of an index.
    pub fn for_architecture(&self, architecture: &str) -> &Image {
        self.children
            .iter()
            .find(|c| c.architecture.as_deref() == Some(architecture))
            .unwrap_or(self)
    }
}
