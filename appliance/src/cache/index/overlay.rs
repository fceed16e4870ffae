//! An index that cannot be written: the file as it is, with changes kept in memory.
//!
//! redb opens a database that was not closed cleanly only after repairing it, and a read-only filesystem
//! allows no repair. So the repair goes to memory. With no file at all it is an empty index, which answers
//! "absent" to everything while content passes through. The writer commits nothing here, so the memory is
//! bounded by what redb writes when it opens.

use std::{collections::HashMap, fs::File, io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use redb::StorageBackend;

use crate::cache::disk::Disk;

/// The unit in which changes are kept, in bytes: redb's page.
const PAGE: u64 = 4096;

/// A read-only file, if there is one, under pages in memory.
#[derive(Debug)]
pub(crate) struct Overlay {
    below: Option<(Arc<File>, PathBuf, Disk)>,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    /// In bytes.
    length: u64,
    /// How much of the file below still shows: what was cut off stays zero when the length grows again.
    below: u64,
    pages: HashMap<u64, Box<[u8]>>,
}

impl Overlay {
    /// Over nothing: an empty index.
    pub(crate) fn empty() -> Self {
        Self {
            below: None,
            changes: Mutex::default(),
        }
    }

    /// Over a file, which is never written.
    pub(crate) fn over(file: File, path: PathBuf, disk: Disk) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self {
            below: Some((Arc::new(file), path, disk)),
            changes: Mutex::new(Changes {
                length,
                below: length,
                pages: HashMap::new(),
            }),
        })
    }

    /// One page as it was below, zeros where nothing was.
    fn page_below(&self, shown: u64, number: u64) -> io::Result<Box<[u8]>> {
        let mut page = vec![0; PAGE as usize].into_boxed_slice();
        let start = number * PAGE;
        if let Some((file, path, disk)) = &self.below
            && start < shown
        {
            let length = PAGE.min(shown - start) as usize;
            disk.read_at(file, path, &mut page[..length], start)?;
        }
        Ok(page)
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes.lock().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes.lock();
        if offset + out.len() as u64 > changes.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut done = 0;
        while done < out.len() {
            let at = offset + done as u64;
            let (number, within) = (at / PAGE, (at % PAGE) as usize);
            let count = (PAGE as usize - within).min(out.len() - done);
            let target = &mut out[done..done + count];
            match changes.pages.get(&number) {
                Some(page) => target.copy_from_slice(&page[within..within + count]),
                None => {
                    let page = self.page_below(changes.below, number)?;
                    target.copy_from_slice(&page[within..within + count]);
                }
            }
            done += count;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changes = self.changes.lock();
        if length < changes.length {
            // What is cut off must read as zeros if the length grows again.
            changes.below = changes.below.min(length);
            changes.pages.retain(|number, _| number * PAGE < length);
            if !length.is_multiple_of(PAGE)
                && let Some(page) = changes.pages.get_mut(&(length / PAGE))
            {
                page[(length % PAGE) as usize..].fill(0);
            }
        }
        changes.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes.lock();
        changes.length = changes.length.max(offset + data.len() as u64);
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let (number, within) = (at / PAGE, (at % PAGE) as usize);
            let count = (PAGE as usize - within).min(data.len() - done);
            let mut page = match changes.pages.remove(&number) {
                Some(page) => page,
                None => self.page_below(changes.below, number)?,
            };
            page[within..within + count].copy_from_slice(&data[done..done + count]);
            changes.pages.insert(number, page);
            done += count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stay_in_memory() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        std::fs::write(&path, vec![7; 6000]).expect("written");
        let file = File::open(&path).expect("opened");
        let overlay = Overlay::over(file, path.clone(), Disk::real()).expect("wrapped");
        overlay.write(4090, &[1; 10]).expect("written");
        let mut out = [0; 14];
        overlay.read(4088, &mut out).expect("read");
        assert_eq!(out, [7, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 7]);
        overlay.set_len(4096).expect("cut");
        overlay.set_len(8192).expect("grown");
        overlay.read(5000, &mut out).expect("read");
        assert_eq!(out, [0; 14]);
        assert_eq!(std::fs::read(&path).expect("read"), vec![7; 6000]);
    }
}
