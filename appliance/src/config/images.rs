//! Lists of images in the configuration, read with the upstreams it configures.

use super::reader::Section;
use crate::oci::{Image, UpstreamName};

/// What names of images mean at this site.
pub(super) struct Naming<'a> {
    pub(super) default: Option<UpstreamName>,
    pub(super) configured: &'a [String],
    /// Whether any public registry may be named.
    pub(super) scope: Scope,
}

/// Which registries are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that are configured.
    Configured,
    /// Those, and any public one.
    Open,
}

impl Naming<'_> {
    /// The list `key`. All names that mean nothing are told.
    pub(super) fn read(&self, s: &Section<'_>, key: &'static str) -> Option<Vec<Image>> {
        let names = s.read::<Vec<String>>(key)?;
        // Without a default upstream there is a mistake already, and every short name would add another.
        let default = self.default.as_ref()?;
        let known = |name: &UpstreamName| {
            self.scope == Scope::Open || self.configured.iter().any(|n| n == name.as_str())
        };
        let mut images = Some(Vec::new());
        for name in &names {
            match Image::parse(name, default, known) {
                Ok(image) => {
                    if let Some(images) = &mut images {
                        images.push(image);
                    }
                }
                Err(e) => {
                    images = None;
                    s.refuse(
                        key,
                        &crate::source::chain(&e),
                        Some(
                            "images of configured upstreams, as \"alpine:3.20\" or \"ghcr.io/owner/app:v1\""
                                .into(),
                        ),
                        "mend the name, or add its upstream",
                    );
                }
            }
        }
        images
    }
}
