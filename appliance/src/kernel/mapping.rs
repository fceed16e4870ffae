//! A mapping of a file that exists to be recognised, not to be read.
//!
//! A mapping lends an address range to a stretch
//! of a file, so that hyper can queue "these bytes of this file" as an ordinary slice; the socket turns the
//! slice back into (file, offset) and lets the kernel move the bytes. Nothing in Larder dereferences it: a
//! page that cannot be read would be a SIGBUS here, and is a plain error from `sendfile`.

use std::{fs::File, io, ptr::NonNull, sync::Arc};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Page size assumed for alignment, in bytes: the largest any supported kernel uses (arm64 with 64 KiB
/// pages). An offset aligned to it is aligned to smaller pages too.
const ALIGNMENT: u64 = 64 << 10;

/// A stretch of a file with addresses. Unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    mapped: usize,
    /// Bytes between `base` and the first byte asked for.
    lead: usize,
    file: Arc<File>,
    offset: u64,
}

// SAFETY: the mapping is plain memory of the process, owned by this value alone and never written through
// it; moving or sharing the value between threads moves or shares nothing thread-bound.
unsafe impl Send for Mapping {}
// SAFETY: as above; `&Mapping` gives out shared, read-only addresses only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `length` bytes (not zero) of `file` from `offset`. The file may still be shorter than that.
    pub(crate) fn new(file: Arc<File>, offset: u64, length: u64) -> io::Result<Self> {
        let lead = offset % ALIGNMENT;
        let too_large = |_| io::Error::from(io::ErrorKind::OutOfMemory);
        let mapped = usize::try_from(length + lead).map_err(too_large)?;
        // SAFETY: a null hint lets the kernel choose fresh addresses, so no existing memory is replaced; the
        // descriptor is open for the call's duration; the result is unmapped exactly once, in `drop`.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                mapped,
                ProtFlags::READ,
                MapFlags::SHARED,
                &*file,
                offset - lead,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        // In range: smaller than ALIGNMENT.
        Ok(Self {
            base,
            mapped,
            lead: lead as usize,
            file,
            offset,
        })
    }

    pub(crate) fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where in the file the first byte of the slice stands.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}

impl AsRef<[u8]> for Mapping {
    /// The addresses. To be passed on and recognised; reading them is allowed only where the file is known
    /// to be that long and the disk to be well, which nothing in Larder relies on.
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `base..base + mapped` is mapped readable for as long as `self` lives, and `lead < mapped`.
        // The file under it only ever grows (the cache never writes a byte twice), so what is read through
        // the slice does not change. Bytes beyond the file's end are never read: see the module's promise.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(self.lead), self.mapped - self.lead) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `mmap` returned, and nobody holds the slice: it borrows from `self`.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.mapped) };
        debug_assert!(unmapped.is_ok(), "munmap of our own mapping: {unmapped:?}");
    }
}
