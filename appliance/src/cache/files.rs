//! Opening whole blobs.
//!
//! One `open` and one `fstat` per request: microseconds beside a response. A cache of open files would go
//! here. Promises: what is opened has the length its row says. Must not know: who may see it.

use std::{io, sync::Arc};

use crate::oci::Digest;

use super::{content::BlobFile, disk::Disk, layout::Layout};

/// A blob's file, or what is wrong with it.
#[derive(Debug)]
pub(super) enum Opened {
    Blob(BlobFile),
    /// It is not what its row says: not there, or of this length in bytes.
    Lost {
        found: Option<u64>,
    },
}

pub(super) fn open(disk: &Disk, layout: &Layout, digest: &Digest, size: u64) -> io::Result<Opened> {
    let file = match disk.open(&layout.blob(digest)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Lost { found: None }),
        Err(error) => return Err(error),
    };
    let found = file.metadata()?.len();
    if found != size {
        return Ok(Opened::Lost { found: Some(found) });
    }
    Ok(Opened::Blob(BlobFile {
        file: Arc::new(file),
        size,
    }))
}
