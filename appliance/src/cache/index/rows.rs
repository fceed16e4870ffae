//! The values in the index's tables: fixed layouts, little-endian.
//!
//! Promises: decoding never panics; what cannot be decoded is `None`, which the caller reports as corrupt.
//! The layouts belong to the schema version in [`super::migrate`].

use crate::{
    cache::boot::BootId,
    clock::Timestamp,
    oci::{Digest, MediaType},
};

use super::tables::RepositoryId;

/// Where content lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the index.
    Inline,
    /// In a file of its own.
    File,
}

/// Content that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlobRow {
    pub(crate) place: Place,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) created: Timestamp,
}

impl BlobRow {
    pub(crate) fn encode(self) -> [u8; 17] {
        let mut out = [0; 17];
        out[0] = match self.place {
            Place::Inline => 0,
            Place::File => 1,
        };
        out[1..9].copy_from_slice(&self.size.to_le_bytes());
        out[9..].copy_from_slice(&self.created.0.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 17] = bytes.try_into().ok()?;
        Some(Self {
            place: match bytes[0] {
                0 => Place::Inline,
                1 => Place::File,
                _ => return None,
            },
            size: number(&bytes[1..9])?,
            created: Timestamp(number(&bytes[9..])?),
        })
    }
}

/// What a tag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TagRow {
    pub(crate) checked: Timestamp,
    pub(crate) digest: Digest,
}

impl TagRow {
    pub(crate) fn encode(self) -> Vec<u8> {
        [&self.checked.0.to_le_bytes(), self.digest.key()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, digest) = bytes.split_at_checked(8)?;
        Some(Self {
            checked: Timestamp(number(checked)?),
            digest: Digest::from_key(digest)?,
        })
    }
}

/// A blob that is arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FillRow {
    pub(crate) repository: RepositoryId,
    /// The whole blob's, in bytes, if it is known.
    pub(crate) size: Option<u64>,
    /// Bytes that are known to be on the disk.
    pub(crate) synced: u64,
    /// Under which boot the file was last written.
    pub(crate) boot: BootId,
}

impl FillRow {
    pub(crate) fn encode(self) -> [u8; 37] {
        let mut out = [0; 37];
        out[..4].copy_from_slice(&self.repository.0.to_le_bytes());
        out[4] = u8::from(self.size.is_some());
        out[5..13].copy_from_slice(&self.size.unwrap_or_default().to_le_bytes());
        out[13..21].copy_from_slice(&self.synced.to_le_bytes());
        out[21..].copy_from_slice(&self.boot.0);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 37] = bytes.try_into().ok()?;
        let size = number(&bytes[5..13])?;
        Some(Self {
            repository: RepositoryId(u32::from_le_bytes(bytes[..4].try_into().ok()?)),
            size: match bytes[4] {
                0 => None,
                1 => Some(size),
                _ => return None,
            },
            synced: number(&bytes[13..21])?,
            boot: BootId(bytes[21..].try_into().ok()?),
        })
    }

    /// How much of a file of `length` bytes can be believed when this is the boot `now`.
    ///
    /// A killed process loses no page cache, so under the same boot all of it; after a power cut only what
    /// was synced, whatever the length says.
    pub(crate) fn trusted(&self, length: u64, now: BootId) -> u64 {
        if self.boot.is(now) {
            length
        } else {
            length.min(self.synced)
        }
    }
}

/// The referrers of a digest: when they were asked for, then the document.
pub(crate) fn encode_referrers(checked: Timestamp, index: &[u8]) -> Vec<u8> {
    [&checked.0.to_le_bytes(), index].concat()
}

pub(crate) fn decode_referrers(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (checked, index) = bytes.split_at_checked(8)?;
    Some((Timestamp(number(checked)?), index))
}

/// Media types that nearly every manifest has, as one byte each. On disk: never change one.
const KNOWN_TYPES: [(u8, &str); 4] = [
    (1, MediaType::OCI_MANIFEST),
    (2, MediaType::OCI_INDEX),
    (3, MediaType::DOCKER_MANIFEST),
    (4, MediaType::DOCKER_LIST),
];

pub(crate) fn encode_media_type(media_type: &MediaType) -> Vec<u8> {
    match KNOWN_TYPES.iter().find(|(_, text)| *text == media_type.as_str()) {
        Some((code, _)) => vec![*code],
        None => [&[0], media_type.as_str().as_bytes()].concat(),
    }
}

pub(crate) fn decode_media_type(bytes: &[u8]) -> Option<MediaType> {
    match bytes.split_first()? {
        (0, text) => std::str::from_utf8(text).ok()?.parse().ok(),
        (code, []) => KNOWN_TYPES
            .iter()
            .find(|(known, _)| known == code)?
            .1
            .parse()
            .ok(),
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::oci::Algorithm;

    proptest! {
        #[test]
        fn rows_round_trip(size: u64, created: u64, file: bool, known: bool, id: u32, boot: [u8; 16]) {
            let place = if file { Place::File } else { Place::Inline };
            let blob = BlobRow { place, size, created: Timestamp(created) };
            prop_assert_eq!(BlobRow::decode(&blob.encode()), Some(blob));
            let fill = FillRow {
                repository: RepositoryId(id),
                size: known.then_some(size),
                synced: created,
                boot: BootId(boot),
            };
            prop_assert_eq!(FillRow::decode(&fill.encode()), Some(fill));
            let tag = TagRow {
                checked: Timestamp(created),
                digest: Digest::of(Algorithm::Sha512, &boot),
            };
            prop_assert_eq!(TagRow::decode(&tag.encode()), Some(tag));
        }

        #[test]
        fn any_bytes_decode_or_do_not_but_never_panic(bytes: Vec<u8>) {
            let _ = BlobRow::decode(&bytes);
            let _ = FillRow::decode(&bytes);
            let _ = TagRow::decode(&bytes);
            let _ = decode_referrers(&bytes);
            let _ = decode_media_type(&bytes);
        }
    }

    #[test]
    fn media_types_round_trip() {
        for text in [
            MediaType::OCI_INDEX,
            MediaType::DOCKER_MANIFEST,
            "application/vnd.x+json",
        ] {
            let media_type: MediaType = text.parse().expect("valid");
            assert_eq!(
                decode_media_type(&encode_media_type(&media_type)),
                Some(media_type)
            );
        }
    }

    #[test]
    fn after_a_power_cut_only_what_was_synced_is_trusted() {
        let row = FillRow {
            repository: RepositoryId(0),
            size: None,
            synced: 16,
            boot: BootId([1; 16]),
        };
        assert_eq!(row.trusted(40, BootId([1; 16])), 40);
        assert_eq!(row.trusted(40, BootId([2; 16])), 16);
        assert_eq!(row.trusted(9, BootId([2; 16])), 9);
    }
}
