//! Removing blob files.
//!
//! Promises: a file that is not there was removed; one that cannot be removed is told and does not keep the
//! others from going. Must not know: why they are to go.

use std::io;

use super::step::{Halt, Stride};
use crate::janitor::{
    job::Finding,
    place::{Folder, Name},
};

pub(super) fn run(mut stride: Stride<'_>, names: Vec<Name>) -> Result<(), Halt> {
    let folder = stride.bench.layout.blobs.clone();
    for name in names {
        stride.at(&name);
        stride.breathe()?;
        // The pipe is not to be trusted with what the fence may not hold: only blobs' names are removed.
        let path = match name.digest() {
            Some(_) => name.within(&folder),
            None => {
                let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not a blob's name");
                keep(&mut stride, name, &error);
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
                stride.done(Folder::Blobs, name);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => stride.missing(Folder::Blobs, name),
            Err(error) => keep(&mut stride, name, &error),
        }
    }
    stride.finish()
}

fn keep(stride: &mut Stride<'_>, name: Name, error: &io::Error) {
    stride.found(Finding::Kept {
        name: name.clone(),
        why: error.into(),
    });
    stride.over(Folder::Blobs, name);
}
