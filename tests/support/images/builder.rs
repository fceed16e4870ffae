//! Manifests, indexes and artifacts around layers.

use serde_json::{Value, json};

use super::{Blob, Image, Layer, media};

/// Puts an image together.
#[derive(Clone, Debug)]
pub struct ImageBuilder {
    architecture: String,
    layers: Vec<Layer>,
    docker: bool,
}

impl ImageBuilder {
    pub fn new(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            layers: Vec::new(),
            docker: false,
        }
    }

    /// With Docker's schema 2 media types instead of OCI's.
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    pub fn layers(mut self, layers: impl IntoIterator<Item = Layer>) -> Self {
        self.layers.extend(layers);
        self
    }

    pub fn build(self) -> Image {
        let (manifest_type, config_type) = if self.docker {
            (media::DOCKER_MANIFEST, media::DOCKER_CONFIG)
        } else {
            (media::OCI_MANIFEST, media::OCI_CONFIG)
        };
        let diff_ids: Vec<&str> = self.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
        let history: Vec<Value> = diff_ids
            .iter()
            .map(|_| json!({ "created_by": "larder tests" }))
            .collect();
        let config = Blob::new(
            config_type,
            to_bytes(&json!({
                "architecture": self.architecture,
                "os": "linux",
                "created": "2001-09-09T01:46:40Z",
                "config": { "Cmd": ["/bin/true"] },
                "rootfs": { "type": "layers", "diff_ids": diff_ids },
                "history": history,
            })),
        );
        let layers: Vec<Value> = self.layers.iter().map(|layer| layer.blob.descriptor()).collect();
        let manifest = Blob::new(
            manifest_type,
            to_bytes(&json!({
                "schemaVersion": 2,
                "mediaType": manifest_type,
                "config": config.descriptor(),
                "layers": layers,
            })),
        );
        let blobs = std::iter::once(config)
            .chain(self.layers.into_iter().map(|layer| layer.blob))
            .collect();
        Image {
            manifest,
            blobs,
            children: Vec::new(),
            architecture: Some(self.architecture),
        }
    }
}

/// An OCI index of images.
pub fn index(children: Vec<Image>) -> Image {
    list(media::OCI_INDEX, children)
}

/// A Docker manifest list of images.
pub fn docker_list(children: Vec<Image>) -> Image {
    list(media::DOCKER_LIST, children)
}

fn list(media_type: &str, children: Vec<Image>) -> Image {
    let manifests: Vec<Value> = children
        .iter()
        .map(|child| {
            let mut descriptor = child.manifest.descriptor();
            if let Some(architecture) = &child.architecture {
                descriptor["platform"] = json!({ "architecture": architecture, "os": "linux" });
            }
            descriptor
        })
        .collect();
    let document = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
    let manifest = Blob::new(media_type, to_bytes(&document));
    Image {
        manifest,
        blobs: Vec::new(),
        children,
        architecture: None,
    }
}

/// An artifact that says something about `subject`, such as a signature.
pub fn artifact(subject: &Image, artifact_type: &str, content: Blob) -> Image {
    let config = Blob::new(media::OCI_EMPTY, &b"{}"[..]);
    let manifest = Blob::new(
        media::OCI_MANIFEST,
        to_bytes(&json!({
            "schemaVersion": 2,
            "mediaType": media::OCI_MANIFEST,
            "artifactType": artifact_type,
            "config": config.descriptor(),
            "layers": [content.descriptor()],
            "subject": subject.manifest.descriptor(),
        })),
    );
    Image {
        manifest,
        blobs: vec![config, content],
        children: Vec::new(),
        architecture: None,
    }
}

fn to_bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).expect("a document built here can be written")
}
