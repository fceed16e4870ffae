//! Where a walk through the cache's files is: folder, name, cursor.
//!
//! Promises: a cursor is text that can be stored and read back; names are ordered by their bytes, so that the
//! order of files is the order of [`Digest`]s in the index. Must not know: what is done at a place.

use std::{fmt, os::unix::ffi::OsStrExt as _, path::Path, str::FromStr};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use crate::oci::Digest;

/// What a name must not hold when it is written as text.
const UNSAFE: &AsciiSet = &CONTROLS.add(b'%').add(b'"').add(b'\\');
/// The longest name of a file that Linux knows, in bytes.
const LONGEST: usize = 255;

/// A folder of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Folder {
    /// Whole blobs.
    Blobs,
    /// Blobs that are arriving.
    Fills,
    /// The cache's own, in which the others lie. Only names are looked at there.
    Top,
}

impl Folder {
    const fn name(self) -> &'static str {
        match self {
            Self::Blobs => "blobs",
            Self::Fills => "fill",
            Self::Top => ".",
        }
    }
}

/// The name of a file: bytes, of which nothing is known.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<[u8]>);

impl Name {
    pub(super) fn new(name: &std::ffi::OsStr) -> Self {
        Self(name.as_bytes().into())
    }

    /// The digest it stands for, if it is one of the cache's names.
    pub fn digest(&self) -> Option<Digest> {
        Digest::from_file_name(std::str::from_utf8(&self.0).ok()?)
    }

    pub fn as_os_str(&self) -> &std::ffi::OsStr {
        std::ffi::OsStr::from_bytes(&self.0)
    }

    pub(super) fn within(&self, folder: &Path) -> std::path::PathBuf {
        folder.join(self.as_os_str())
    }
}

impl From<&Digest> for Name {
    fn from(digest: &Digest) -> Self {
        Self(digest.file_name().into_bytes().into())
    }
}

/// How far a walk has come: everything up to and including a name is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    folder: Folder,
    after: Option<Name>,
}

impl Cursor {
    /// Nothing is done.
    pub const START: Self = Self::start_of(Folder::Blobs);

    pub const fn start_of(folder: Folder) -> Self {
        Self { folder, after: None }
    }

    /// Everything up to and including this name is done. Use it to step over a file on which a job dies.
    pub const fn past(folder: Folder, name: Name) -> Self {
        Self {
            folder,
            after: Some(name),
        }
    }

    pub const fn folder(&self) -> Folder {
        self.folder
    }

    pub fn after(&self) -> Option<&Name> {
        self.after.as_ref()
    }
}

/// Why a text is no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct InvalidPlace {
    text: String,
    wanted: &'static str,
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        percent_encode(&self.0, UNSAFE).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.folder)?;
        self.after.iter().try_for_each(|name| name.fmt(f))
    }
}

fn invalid(text: &str, wanted: &'static str) -> InvalidPlace {
    InvalidPlace {
        text: text.chars().take(80).collect(),
        wanted,
    }
}

impl FromStr for Folder {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        [Self::Blobs, Self::Fills, Self::Top]
            .into_iter()
            .find(|folder| folder.name() == text)
            .ok_or_else(|| invalid(text, "a folder of the cache: `blobs`, `fill` or `.`"))
    }
}

impl FromStr for Name {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let bytes: Vec<u8> = percent_decode_str(text).collect();
        let is_name = !bytes.is_empty()
            && bytes.len() <= LONGEST
            && !bytes.contains(&b'/')
            && !bytes.contains(&0)
            && bytes != b"."
            && bytes != b"..";
        if is_name {
            Ok(Self(bytes.into()))
        } else {
            Err(invalid(text, "the name of a file"))
        }
    }
}

impl FromStr for Cursor {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let (folder, name) = text
            .split_once('/')
            .ok_or_else(|| invalid(text, "a cursor: `blobs/NAME`"))?;
        Ok(Self {
            folder: folder.parse()?,
            after: (!name.is_empty()).then(|| name.parse()).transpose()?,
        })
    }
}

/// Values that travel as the text they print as.
macro_rules! by_text {
    ($($kind:ty),+) => {$(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

by_text!(Folder, Name, Cursor);

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::oci::Algorithm;

    #[test]
    fn cursors_are_text_and_back() {
        let odd = Name::new(OsStr::from_bytes(b"a \xff%\"\n"));
        let digest = Name::from(&Digest::of(Algorithm::Sha256, b"x"));
        for cursor in [
            Cursor::START,
            Cursor::start_of(Folder::Fills),
            Cursor::past(Folder::Blobs, odd),
            Cursor::past(Folder::Fills, digest.clone()),
            Cursor::past(Folder::Top, digest),
        ] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
            let json = serde_json::to_string(&cursor).expect("written");
            assert_eq!(serde_json::from_str::<Cursor>(&json).expect("read"), cursor);
        }
    }

    #[test]
    fn what_leads_out_of_the_folder_is_no_name() {
        for text in ["", ".", "..", "a/b", "%2e%2e", "a%2fb", "a%00", &"a".repeat(256)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert!("/etc/passwd".parse::<Cursor>().is_err());
    }

    #[test]
    fn files_are_in_the_order_of_the_index() {
        let mut digests: Vec<_> = (0..200_u8)
            .flat_map(|seed| [Algorithm::Sha512, Algorithm::Sha256].map(|kind| Digest::of(kind, &[seed])))
            .collect();
        digests.sort_by(|a, b| a.key().cmp(b.key()));
        let names: Vec<_> = digests.iter().map(Name::from).collect();
        assert!(names.is_sorted());
        assert!(digests.is_sorted());
    }
}
