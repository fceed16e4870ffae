//! Which platform an image is for, and whether it is the one that is wanted.

use std::os::unix::fs::FileExt as _;

use crate::{cache::Content, oci::Platform};

/// A configuration larger than this, in bytes, is none.
const CONFIGURATION_MOST: u64 = 1 << 20;

/// The platform that an image's configuration names. Reads a file if need be.
pub(super) fn of_configuration(content: &Content) -> Option<Platform> {
    match content {
        Content::Inline(bytes) => serde_json::from_slice(bytes).ok(),
        Content::File(blob) if blob.size <= CONFIGURATION_MOST => {
            let mut bytes = vec![0; usize::try_from(blob.size).ok()?];
            blob.file.read_exact_at(&mut bytes, 0).ok()?;
            serde_json::from_slice(&bytes).ok()
        }
        Content::File(_) => None,
    }
}

/// Whether it is a platform at all: attestations stand in an index under `unknown/unknown`.
pub(super) fn is_known(platform: &Platform) -> bool {
    platform.os != "unknown"
}

/// Whether what an index offers is what is wanted. Without a variant every one is; `linux/arm64` is
/// `linux/arm64/v8`.
pub(super) fn fits(offered: &Platform, wanted: &Platform) -> bool {
    let variant = |platform: &Platform| match (&*platform.architecture, platform.variant.as_deref()) {
        ("arm64", None) => Some("v8".to_owned()),
        (_, variant) => variant.map(ToOwned::to_owned),
    };
    offered.os == wanted.os
        && offered.architecture == wanted.architecture
        && (wanted.variant.is_none() || variant(offered) == variant(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_counts_when_it_is_asked_for() {
        let platform = |text: &str| text.parse::<Platform>().expect(text);
        for (offered, wanted, fit) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm/v7", "linux/arm", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("windows/amd64", "linux/amd64", false),
        ] {
            assert_eq!(
                fits(&platform(offered), &platform(wanted)),
                fit,
                "{offered} {wanted}"
            );
        }
    }
}
