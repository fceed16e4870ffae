//! Media types of manifests.

use std::{fmt, str::FromStr, sync::Arc};

/// The media type of a manifest, as its registry declared it, without parameters.
///
/// Any type is carried: artifacts bring their own. Only what can stand in a header is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MediaType(Arc<str>);

/// A `Content-Type` that is no media type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a media type")]
pub struct InvalidMediaType {
    text: String,
}

impl MediaType {
    pub const OCI_MANIFEST: &'static str = "application/vnd.oci.image.manifest.v1+json";
    pub const OCI_INDEX: &'static str = "application/vnd.oci.image.index.v1+json";
    pub const DOCKER_MANIFEST: &'static str = "application/vnd.docker.distribution.manifest.v2+json";
    pub const DOCKER_LIST: &'static str = "application/vnd.docker.distribution.manifest.list.v2+json";

    /// Everything a mirror asks an upstream for, in one `Accept` header.
    pub const ACCEPT: &'static str = "application/vnd.oci.image.index.v1+json, \
        application/vnd.oci.image.manifest.v1+json, \
        application/vnd.docker.distribution.manifest.list.v2+json, \
        application/vnd.docker.distribution.manifest.v2+json, \
        application/vnd.oci.artifact.manifest.v1+json, \
        application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.5, \
        application/json;q=0.2, */*;q=0.1";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a document of this type lists other manifests.
    pub fn is_index(&self) -> bool {
        matches!(&*self.0, Self::OCI_INDEX | Self::DOCKER_LIST)
    }
}

impl FromStr for MediaType {
    type Err = InvalidMediaType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let token = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|c| c.is_ascii_graphic() && c != b'/' && c != b',')
        };
        match essence.split_once('/') {
            Some((kind, name)) if token(kind) && token(name) && essence.len() <= 255 => {
                Ok(Self(essence.to_ascii_lowercase().into()))
            }
            _ => Err(InvalidMediaType {
                text: text.chars().take(100).collect(),
            }),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_left_out() {
        let parsed: MediaType = "application/vnd.oci.image.index.v1+json; charset=utf-8"
            .parse()
            .expect("valid");
        assert_eq!(parsed.as_str(), MediaType::OCI_INDEX);
        assert!(parsed.is_index());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "json", "/", "a/", "a/b/c", "text/html\r\nx: y", "a/b,c/d"] {
            assert!(text.parse::<MediaType>().is_err(), "{text}");
        }
    }
}
