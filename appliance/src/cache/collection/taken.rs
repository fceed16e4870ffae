//! What went, and whose files are still to be removed.

use crate::{cache::admission::Doom, oci::Digest};

/// What one piece took.
#[derive(Debug, Default)]
pub struct Taken {
    /// Images and loose blobs.
    pub units: u64,
    /// Units that stay after all: somebody asked for them.
    pub spared: u64,
    /// Pieces of content.
    pub pieces: u64,
    /// In bytes.
    pub bytes: u64,
    /// Whose files are to be removed.
    pub files: Vec<Condemned>,
}

impl Taken {
    pub(super) fn add(&mut self, files: impl IntoIterator<Item = Condemned>) {
        for condemned in files {
            self.pieces += 1;
            self.bytes += condemned.size;
            self.files.push(condemned);
        }
    }
}

/// What is left of something that is not listed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remains {
    /// Its file under `blobs/`.
    Blob,
    /// A partial, under `fill/`.
    Partial,
}

impl Remains {
    pub const ALL: [Self; 2] = [Self::Blob, Self::Partial];
}

/// A blob that is not listed any more and whose file is still there. Until this is dropped nobody fills it anew.
#[derive(Debug)]
pub struct Condemned {
    doom: Doom,
    /// In bytes.
    pub size: u64,
    pub remains: Remains,
}

impl Condemned {
    pub(in crate::cache) fn new(doom: Doom, size: u64) -> Self {
        Self {
            doom,
            size,
            remains: Remains::Blob,
        }
    }

    pub(in crate::cache) fn partial(doom: Doom, size: u64) -> Self {
        Self {
            remains: Remains::Partial,
            ..Self::new(doom, size)
        }
    }

    pub fn digest(&self) -> &Digest {
        self.doom.digest()
    }
}
