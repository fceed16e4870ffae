//! Reading some files to see whether they may be listed.
//!
//! They are read past the page cache where that can be done, which also brings them to the medium piece by piece: no
//! sync takes long. Promises: a file that is told to be whole is on the medium with its name, as the one with the
//! stamp that is told; signs of life and cancels within a large one. Must not know: the list.

use std::{io, path::Path};

use super::{
    reading::{Broken, Reader, Source},
    step::{Halt, Stride},
};
use crate::{
    cache::Stamp,
    janitor::{
        job::{Finding, Reading},
        place::{Folder, Name},
    },
    oci::Digest,
};

const FOLDER: Folder = Folder::Blobs;

pub(super) fn run(mut stride: Stride<'_>, names: Vec<Name>) -> Result<(), Halt> {
    let folder = stride.bench.layout.blobs.clone();
    // All of them were seen there before. Once is enough.
    let synced = stride.bench.disk.sync_folder(&folder);
    synced.map_err(|error| Halt::refused(format!("sync {}", folder.display()), &error))?;
    let mut reader = Reader::new(None);
    for name in names {
        stride.at(&name);
        stride.breathe()?;
        let Some(digest) = name.digest() else {
            stride.over(FOLDER, name);
            continue;
        };
        match examine(&mut reader, &mut stride, &name.within(&folder), digest) {
            Ok((found, stamp)) if found == digest => stride.found(Finding::Whole {
                name: name.clone(),
                stamp,
            }),
            Ok((found, stamp)) => stride.found(Finding::Wrong {
                name: name.clone(),
                found: Name::from(&found),
                stamp,
            }),
            Err(Broken::Off(halt)) => return Err(halt),
            Err(Broken::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {
                stride.missing(FOLDER, name);
                continue;
            }
            Err(Broken::Disk(error)) => stride.found(Finding::Unreadable {
                folder: FOLDER,
                name: name.clone(),
                why: (&error).into(),
            }),
        }
        stride.done(FOLDER, name);
    }
    stride.finish()
}

fn examine(
    reader: &mut Reader,
    stride: &mut Stride<'_>,
    path: &Path,
    like: Digest,
) -> Result<(Digest, Stamp), Broken> {
    let mut source = Source::open(&stride.bench.disk, path, Reading::Medium)?;
    // Before the first byte is read: what is written meanwhile gives it another one.
    let stamp = Stamp::of(&source.file().metadata()?);
    let (found, _) = reader.hash(stride, &mut source, path, like)?;
    stride.bench.disk.sync(source.file(), path)?;
    Ok((found, stamp))
}
