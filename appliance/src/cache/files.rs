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
    /// It is no plain file: a folder, a pipe. What its length in bytes is said to be.
    Strange {
        found: u64,
    },
}

pub(super) fn open(disk: &Disk, layout: &Layout, digest: &Digest, size: u64) -> io::Result<Opened> {
    let file = match disk.open(&layout.blob(digest)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Lost { found: None }),
        Err(error) => {
            // A socket cannot even be opened.
            let strange = disk.stat(&layout.blob(digest)).ok();
            let strange = strange.filter(|it| !it.is_file() && !it.is_symlink());
            return match strange {
                Some(it) => Ok(Opened::Strange { found: it.len() }),
                None => Err(error),
            };
        }
    };
    let metadata = file.metadata()?;
    let found = metadata.len();
    if !metadata.is_file() {
        return Ok(Opened::Strange { found });
    }
    if found != size {
        return Ok(Opened::Lost { found: Some(found) });
    }
    Ok(Opened::Blob(BlobFile {
        file: Arc::new(file),
        size,
    }))
}
