//! Reading all files to see whether they are what their names say.
//!
//! Promises: at most so many bytes a second; a file that was begun is begun anew after a restart. Must not know: what
//! follows from a mismatch.

use std::{io, path::Path};

use super::{
    listing::Listing,
    reading::{Broken, Reader, Source},
    step::{Halt, Stride},
};
use crate::{
    janitor::{
        job::{Finding, Reading},
        place::{Folder, Name},
    },
    oci::Digest,
};

const FOLDER: Folder = Folder::Blobs;

pub(super) fn run(mut stride: Stride<'_>, reading: Reading, rate: Option<u64>) -> Result<(), Halt> {
    let mut reader = Reader::new(rate);
    let mut listing = Listing::begin(&mut stride, FOLDER);
    while let Some(name) = listing.next(&mut stride)? {
        stride.at(&name);
        stride.breathe()?;
        let Some(digest) = name.digest() else {
            stride.over(FOLDER, name);
            continue;
        };
        let finding = match hash(&mut reader, &mut stride, &listing.path(&name), reading, digest) {
            Ok((found, size)) if found == digest => Finding::Verified {
                name: name.clone(),
                size,
            },
            Ok((found, size)) => Finding::Mismatch {
                name: name.clone(),
                found: Name::from(&found),
                size,
            },
            Err(Broken::Off(halt)) => return Err(halt),
            Err(Broken::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {
                stride.over(FOLDER, name);
                continue;
            }
            Err(Broken::Disk(error)) => Finding::Unreadable {
                folder: FOLDER,
                name: name.clone(),
                why: (&error).into(),
            },
        };
        stride.found(finding);
        stride.done(FOLDER, name);
    }
    stride.finish()
}

fn hash(
    reader: &mut Reader,
    stride: &mut Stride<'_>,
    path: &Path,
    reading: Reading,
    like: Digest,
) -> Result<(Digest, u64), Broken> {
    let mut source = Source::open(&stride.bench.disk, path, reading)?;
    reader.hash(stride, &mut source, path, like)
}

/// The same reading, without a job.
#[cfg(test)]
pub(super) fn hash_of(path: &Path, reading: Reading, like: Digest) -> io::Result<Digest> {
    let mut source = Source::open(&crate::cache::Disk::real(), path, reading)?;
    Reader::new(None).hash_alone(&mut source, path, like)
}
