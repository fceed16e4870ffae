//! The file windows that one connection is sending: from an address back to a file and an offset.

use std::{fs::File, sync::Arc};

use parking_lot::Mutex;

use crate::kernel::mapping::Mapping;

/// The windows of one connection, shared between its response bodies (which open them) and its socket
/// (which sends from them). Both run in the connection's own task, so the lock is never contended.
#[derive(Debug, Default)]
pub struct Windows {
    open: Mutex<Vec<Entry>>,
    reset: std::sync::atomic::AtomicBool,
}

#[derive(Debug)]
struct Entry {
    start: usize,
    length: usize,
    file: Arc<File>,
    offset: u64,
}

impl Windows {
    /// Asks the socket to reset the connection instead of closing it: what was sent is not whole, and
    /// clients recover from a reset, not from silence.
    pub(super) fn request_reset(&self) {
        self.reset.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn reset_requested(&self) -> bool {
        self.reset.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Registers a mapping for as long as the returned value lives.
    pub(super) fn open(self: &Arc<Self>, mapping: Mapping) -> Window {
        let slice = mapping.as_ref();
        self.open.lock().push(Entry {
            start: slice.as_ptr() as usize,
            length: slice.len(),
            file: mapping.file().clone(),
            offset: mapping.offset(),
        });
        Window {
            mapping,
            windows: self.clone(),
        }
    }

    /// Calls `send(file, offset, length)` if `slice` lies in a window, else returns `None`.
    pub(super) fn with<T>(&self, slice: &[u8], send: impl FnOnce(&File, u64, usize) -> T) -> Option<T> {
        let open = self.open.lock();
        let entry = open.iter().find(|entry| entry.holds(slice))?;
        let inside = (slice.as_ptr() as usize - entry.start) as u64;
        Some(send(&entry.file, entry.offset + inside, slice.len()))
    }

    pub(super) fn contains(&self, slice: &[u8]) -> bool {
        self.open.lock().iter().any(|entry| entry.holds(slice))
    }
}

impl Entry {
    fn holds(&self, slice: &[u8]) -> bool {
        let address = slice.as_ptr() as usize;
        !slice.is_empty() && address >= self.start && address - self.start < self.length
    }
}

/// An open window: the owner of the addresses that bodies hand to hyper.
pub(super) struct Window {
    mapping: Mapping,
    windows: Arc<Windows>,
}

impl AsRef<[u8]> for Window {
    fn as_ref(&self) -> &[u8] {
        self.mapping.as_ref()
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // Before the addresses are given back: another mapping may get them at once.
        let start = self.mapping.as_ref().as_ptr() as usize;
        let mut open = self.windows.open.lock();
        if let Some(at) = open.iter().position(|entry| entry.start == start) {
            open.swap_remove(at);
        }
    }
}
