//! One process per folder.
//!
//! Two writers in one index would destroy it. Promises: the lock goes with the process, however it ends; who
//! comes second is told who was first. Must not know: what is being protected.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use super::{
    disk::Disk,
    error::{CacheError, Kind},
    layout::Layout,
};

/// Takes the lock, or says why not: [`Kind::Busy`] when another process has it.
pub(super) fn take(layout: &Layout, disk: &Disk) -> Result<File, CacheError> {
    const OPERATION: &str = "lock the cache";
    let subject = layout.dir.display();
    // A lock needs no write access: an existing file does on a read-only filesystem too.
    let mut file = disk
        .create(&layout.lock)
        .or_else(|error| disk.open(&layout.lock).map_err(|_| error))
        .map_err(|error| {
            let kind = disk.lacking(&error, &layout.dir);
            CacheError::io(OPERATION, &subject, error).of_kind(kind)
        })?;
    match disk.lock(&file) {
        Ok(()) => {
            // For people, and for the message below. Without it the lock holds all the same.
            let _ = file
                .set_len(0)
                .and_then(|()| writeln!(file, "{}", std::process::id()));
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let reason = match holder.trim() {
                "" => "another process uses it: stop that one, or choose another `data_dir`".to_owned(),
                id => format!("process {id} uses it: stop that one, or choose another `data_dir`"),
            };
            Err(CacheError::refused(OPERATION, &subject, Kind::Busy, reason))
        }
        Err(error) => Err(CacheError::io(OPERATION, &subject, error)),
    }
}
