//! Removing files of blobs, whole ones and partials.
//!
//! Promises: a file that is not there was removed; one that cannot be removed is told and does not keep the
//! others from going. Must not know: why they are to go.

use std::io;

use super::step::{Halt, Stride};
use crate::janitor::{
    job::Finding,
    place::{Folder, Name},
};

pub(super) fn run(mut stride: Stride<'_>, folder: Folder, names: Vec<Name>) -> Result<(), Halt> {
    let layout = &stride.bench.layout;
    let path = match folder {
        Folder::Blobs => layout.blobs.clone(),
        Folder::Fills => layout.fills.clone(),
        Folder::Top => {
            let error = io::Error::new(
                io::ErrorKind::InvalidInput,
                "nothing is removed from the cache's own folder",
            );
            stride.enter(folder);
            for name in names {
                keep(&mut stride, folder, name, &error);
            }
            return stride.finish();
        }
    };
    stride.enter(folder);
    for name in names {
        stride.at(&name);
        stride.breathe()?;
        // The pipe is not to be trusted with what the fence may not hold: only blobs' names are removed.
        let path = match name.digest() {
            Some(_) => name.within(&path),
            None => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a blob's name");
                keep(&mut stride, folder, name, &error);
                continue;
            }
        };
        let disk = &stride.bench.disk;
        match disk
            .stat(&path)
            .and_then(|it| disk.unlink(&path).map(|()| it.len()))
        {
            Ok(size) => {
                stride.bytes(size);
                stride.done(folder, name);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => stride.missing(folder, name),
            Err(error) => keep(&mut stride, folder, name, &error),
        }
    }
    stride.finish()
}

fn keep(stride: &mut Stride<'_>, folder: Folder, name: Name, error: &io::Error) {
    stride.found(Finding::Kept {
        name: name.clone(),
        why: error.into(),
    });
    stride.over(folder, name);
}
