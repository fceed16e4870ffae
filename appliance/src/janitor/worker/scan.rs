//! What lies in the folders.
//!
//! Promises: each name is told with its length and age, or with why not, or as foreign; a file that goes while
//! it is looked at is left out. In the cache's own folder only what is not the house's is told. Must not know: which
//! blobs should be there.

use std::{fs::FileType, io, os::unix::fs::MetadataExt as _};

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
                    kind: kind(it.file_type()),
                },
            };
            stride.found(finding);
            stride.done(folder, name);
        }
    }
    strangers(&mut stride)?;
    stride.finish()
}

/// What lies beside the folders of blobs and is not the house's.
fn strangers(stride: &mut Stride<'_>) -> Result<(), Halt> {
    let mut listing = Listing::begin(stride, Folder::Top);
    loop {
        let name = match listing.next(stride) {
            Ok(Some(name)) => name,
            // They are told and nothing more: what matters was seen.
            Ok(None) | Err(Halt::Refused { .. }) => return Ok(()),
            Err(halt) => return Err(halt),
        };
        stride.at(&name);
        stride.breathe()?;
        if !stride.bench.layout.is_ours(name.as_os_str()) {
            match stride.bench.disk.stat(&listing.path(&name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => stride.found(Finding::Foreign {
                    folder: Folder::Top,
                    name: name.clone(),
                    kind: found.map_or(Kind::Other, |it| kind(it.file_type())),
                }),
            }
        }
        stride.over(Folder::Top, name);
    }
}

fn kind(of: FileType) -> Kind {
    match of {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Folder,
        _ => Kind::Other,
    }
}
