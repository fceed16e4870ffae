//! Reading a file into buffers of the memory budget, for connections that cannot send files.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use rustix::io::{ReadWriteFlags, preadv2};

use crate::memory::{Buffer, Permit};

/// How much is read at a time, in bytes: the size from which the calls' cost no longer shows, small enough
/// that 128 such readers fit into half of the default budget.
pub(super) const CHUNK: usize = 128 << 10;

/// Reads `length` bytes at `offset`, on the spot if they are in the page cache, else on a blocking thread.
pub(super) async fn read(file: &Arc<File>, offset: u64, length: usize, permit: Permit) -> io::Result<Buffer> {
    let length = length.min(CHUNK).min(permit.bytes());
    let mut memory = vec![0; length];
    match read_cached(file, &mut memory, offset) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(read) => {
            memory.truncate(read);
            Ok(permit.cover(Bytes::from(memory)))
        }
        Err(_) => {
            let file = file.clone();
            let read = move || file.read_exact_at(&mut memory, offset).map(|()| memory);
            let memory = tokio::task::spawn_blocking(read)
                .await
                .map_err(io::Error::other)??;
            Ok(permit.cover(Bytes::from(memory)))
        }
    }
}

fn read_cached(file: &File, memory: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
    preadv2(
        file,
        &mut [io::IoSliceMut::new(memory)],
        offset,
        ReadWriteFlags::NOWAIT,
    )
}

/// Whether the stretch is likely in the page cache: its first, middle and last byte are. The kernel reads
/// ahead in runs longer than that, and a wrong guess costs one blocking read, not a wrong byte.
pub(super) fn is_resident(file: &File, offset: u64, length: u64) -> bool {
    let mut byte = [0];
    [offset, offset + length / 2, offset + length.saturating_sub(1)]
        .into_iter()
        .all(|at| !matches!(read_cached(file, &mut byte, at), Err(rustix::io::Errno::AGAIN)))
}

/// Brings the stretch into the page cache without copying or mapping it: the kernel sends it to nowhere.
pub(super) fn warm(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let nowhere = File::options().write(true).open("/dev/null")?;
    let mut position = offset;
    let end = offset + length;
    while position < end {
        let left = usize::try_from(end - position).unwrap_or(usize::MAX);
        if rustix::fs::sendfile(&nowhere, file, Some(&mut position), left)? == 0 {
            break;
        }
    }
    Ok(())
}
