//! `GET /api/v1/images`: what the box keeps.

use serde::{Deserialize, Serialize};

use super::text;
use crate::oci::Digest;

/// All images that are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    pub images: Vec<ImageEntry>,
}

/// An image that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageEntry {
    /// As it is pulled: `docker.io/library/alpine:3.20`.
    pub reference: String,
    #[serde(with = "text")]
    pub digest: Digest,
    /// Of all its content that is here; shared layers count for each image.
    pub bytes: u64,
    /// Those that are whole: `linux/amd64`.
    #[serde(default)]
    pub platforms: Vec<String>,
    pub pinned: bool,
    /// Whether it can be pulled with the WAN unplugged, for at least one platform.
    pub complete: bool,
    /// Or since it was fetched, if nobody has pulled it since; not known after its memory was lost.
    #[serde(default)]
    pub last_pulled_seconds_ago: Option<u64>,
}
