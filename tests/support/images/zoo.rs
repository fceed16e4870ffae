//! The images every real client must get through the mirror.

use std::collections::BTreeMap;

use super::{Blob, Compression, Image, ImageBuilder, Layer, artifact, docker_list, index};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Images by repository; each is tagged `v1`.
pub struct Zoo {
    pub images: BTreeMap<&'static str, Image>,
}

impl Zoo {
    /// The tag of every image.
    pub const TAG: &str = "v1";
    /// The image whose layers not every client can unpack.
    pub const ZSTD: &str = "zoo/zstd";
    /// The artifact type of [`Zoo::signature`].
    pub const SIGNATURE: &str = "application/vnd.example.signature";

    /// The images that take little time; [`Zoo::with_large`] adds the large one.
    pub fn small() -> Self {
        let single = || several_layers("amd64", 1);
        let images = [
            ("zoo/layers", single()),
            (
                "zoo/multi",
                index(vec![several_layers("amd64", 2), several_layers("arm64", 3)]),
            ),
            ("zoo/many", many_layers()),
            (Self::ZSTD, zstd()),
            ("zoo/docker", docker("amd64", 50)),
            (
                "zoo/docker-list",
                docker_list(vec![docker("amd64", 60), docker("arm64", 70)]),
            ),
        ];
        Self {
            images: images.into(),
        }
    }

    /// All of them, with a layer of 256 MiB.
    pub fn with_large() -> Self {
        let mut zoo = Self::small();
        let large = Layer::noise(99, 256 * MIB, Compression::None);
        zoo.images
            .insert("zoo/large", ImageBuilder::new("amd64").layer(large).build());
        zoo
    }

    pub fn get(&self, repository: &str) -> &Image {
        self.images
            .get(repository)
            .unwrap_or_else(|| panic!("no `{repository}` in the zoo"))
    }

    /// An artifact about `subject`.
    pub fn signature(subject: &Image) -> Image {
        artifact(
            subject,
            Self::SIGNATURE,
            Blob::new(Self::SIGNATURE, &b"signed, sealed, delivered"[..]),
        )
    }
}

/// Three layers, packed in two ways, one of them large enough to be a file of its own in any cache.
fn several_layers(architecture: &str, seed: u64) -> Image {
    ImageBuilder::new(architecture)
        .layer(Layer::noise(seed * 10, 3 * KIB, Compression::Gzip))
        .layer(Layer::noise(seed * 10 + 1, 2 * MIB, Compression::Gzip))
        .layer(Layer::noise(seed * 10 + 2, 300 * KIB, Compression::None))
        .build()
}

fn many_layers() -> Image {
    let layers = (0..60).map(|n| Layer::noise(1000 + n, 4 * KIB, Compression::Gzip));
    ImageBuilder::new("amd64").layers(layers).build()
}

fn zstd() -> Image {
    ImageBuilder::new("amd64")
        .layer(Layer::noise(40, 700 * KIB, Compression::Zstd))
        .layer(Layer::noise(41, 20 * KIB, Compression::Zstd))
        .build()
}

fn docker(architecture: &str, seed: u64) -> Image {
    ImageBuilder::new(architecture)
        .docker()
        .layer(Layer::noise(seed, 600 * KIB, Compression::DockerGzip))
        .layer(Layer::noise(seed + 1, 40 * KIB, Compression::DockerGzip))
        .build()
}
