//! What a manifest refers to: the content that must be here before it can be pulled offline.
//!
//! Deliberately tolerant: a mirror hands on whatever a registry stores, artifacts with members nobody has
//! seen before included. Only what names content is read; nothing else is judged.

use serde::Deserialize;

use super::Digest;

/// A platform as an index names it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default)]
    pub variant: Option<String>,
}

/// One piece of content that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub digest: Digest,
    /// In bytes, where the manifest says it (Docker's schema 1 does not).
    pub size: Option<u64>,
    /// Only on entries of an index that name one.
    pub platform: Option<Platform>,
}

/// All that a manifest names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Other manifests, of which a client picks one: the entries of an index.
    pub manifests: Vec<Link>,
    /// Blobs, of which a client needs every one: configuration and layers. Layers that say where else
    /// they are to be had (`urls`: foreign layers) are left out: clients do not ask a registry for them.
    pub blobs: Vec<Link>,
    /// What this manifest is about: a signature's image.
    pub subject: Option<Digest>,
}

/// A manifest that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read the manifest's JSON")]
pub struct InvalidManifest(#[from] serde_json::Error);

#[derive(Deserialize)]
struct Document {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    blobs: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    subject: Option<Descriptor>,
    /// Docker's schema 1.
    #[serde(default, rename = "fsLayers")]
    fs_layers: Vec<FsLayer>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: Option<u64>,
    platform: Option<Platform>,
    #[serde(default)]
    urls: Vec<String>,
}

#[derive(Deserialize)]
struct FsLayer {
    #[serde(rename = "blobSum")]
    blob_sum: String,
}

impl Links {
    /// Reads a manifest of any type.
    ///
    /// A digest of an algorithm that Larder does not know is left out: it could not be asked for either.
    pub fn of(manifest: &[u8]) -> Result<Self, InvalidManifest> {
        let document: Document = serde_json::from_slice(manifest)?;
        let link = |d: Descriptor| {
            Some(Link {
                digest: d.digest.parse().ok()?,
                size: d.size,
                platform: d.platform,
            })
        };
        let own = |d: &Descriptor| d.urls.is_empty();
        let schema1 = document.fs_layers.into_iter().filter_map(|layer| {
            Some(Link {
                digest: layer.blob_sum.parse().ok()?,
                size: None,
                platform: None,
            })
        });
        Ok(Self {
            manifests: document.manifests.into_iter().filter_map(link).collect(),
            blobs: document
                .config
                .into_iter()
                .chain(document.layers)
                .chain(document.blobs)
                .filter(own)
                .filter_map(link)
                .chain(schema1)
                .collect(),
            subject: document.subject.and_then(|d| d.digest.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Algorithm;

    fn digest(text: &str) -> Digest {
        Digest::of(Algorithm::Sha256, text.as_bytes())
    }

    #[test]
    fn an_image_needs_its_configuration_and_its_own_layers() {
        let json = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":2}},
                "layers":[{{"digest":"{}","size":7}},{{"digest":"{}","size":9,"urls":["https://elsewhere"]}}],
                "subject":{{"digest":"{}","size":1}},"annotations":{{"x":"y"}}}}"#,
            digest("config"),
            digest("layer"),
            digest("foreign"),
            digest("subject"),
        );
        let links = Links::of(json.as_bytes()).expect("valid");
        let blobs: Vec<_> = links.blobs.iter().map(|l| (l.digest, l.size)).collect();
        assert_eq!(blobs, [(digest("config"), Some(2)), (digest("layer"), Some(7))]);
        assert_eq!(links.subject, Some(digest("subject")));
    }

    #[test]
    fn an_index_offers_platforms() {
        let json = format!(
            r#"{{"manifests":[{{"digest":"{}","size":3,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}}]}}"#,
            digest("arm")
        );
        let links = Links::of(json.as_bytes()).expect("valid");
        assert_eq!(
            links.manifests[0]
                .platform
                .as_ref()
                .map(|p| p.architecture.as_str()),
            Some("arm64")
        );
        assert!(links.blobs.is_empty());
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        assert!(Links::of(b"<html>").is_err());
    }
}
