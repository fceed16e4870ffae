//! What lies in the folders.
//!
//! Promises: each name is told with its length and age, or with why not, or as foreign; a file that goes while
//! it is looked at is left out. Must not know: what should lie there.

use std::{io, os::unix::fs::MetadataExt as _};

use super::{
    listing::Listing,
    step::{Halt, Stride},
};
use crate::janitor::{
    job::{Finding, Kind},
    place::Folder,
};

pub(super) fn run(mut stride: Stride<'_>) -> Result<(), Halt> {
    for folder in [Folder::Blobs, Folder::Fills] {
        let mut listing = Listing::begin(&mut stride, folder);
        while let Some(name) = listing.next(&mut stride)? {
            stride.at(&name);
            stride.breathe()?;
            let finding = match stride.bench.disk.stat(&listing.path(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    stride.over(folder, name);
                    continue;
                }
                Err(error) => Finding::Unreadable {
                    folder,
                    name: name.clone(),
                    why: (&error).into(),
                },
                Ok(it) if it.is_file() && name.digest().is_some() => {
                    stride.bytes(it.len());
                    Finding::File {
                        folder,
                        name: name.clone(),
                        size: it.len(),
                        modified: it.mtime(),
                    }
                }
                Ok(it) => Finding::Foreign {
                    folder,
                    name: name.clone(),
                    kind: match it.file_type() {
                        kind if kind.is_file() => Kind::File,
                        kind if kind.is_dir() => Kind::Folder,
                        _ => Kind::Other,
                    },
                },
            };
            stride.found(finding);
            stride.done(folder, name);
        }
    }
    stride.finish()
}
