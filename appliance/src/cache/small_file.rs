//! A small file of the house's own: what it remembers besides the index.
//!
//! Promises: written whole or not at all; a line is appended whole or not at all, unless the power goes; works where
//! no inode is left, by the ballast. Nothing is synced: it is a help, and flash wears. Must not know: what is in it.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{cache::Cache, disk::Disk};

/// One of them.
#[derive(Clone, Debug)]
pub struct SmallFile {
    path: PathBuf,
    disk: Disk,
}

impl SmallFile {
    pub fn new(path: PathBuf, disk: Disk) -> Self {
        Self { path, disk }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its content; one that is not there is empty. Blocks, as all of these do.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let file = match self.disk.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let mut content = vec![0; length];
        self.disk.read_at(&file, &self.path, &mut content, 0)?;
        Ok(content)
    }

    /// Puts other content in its place.
    pub fn replace(&self, content: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let write = || {
            let file = self.disk.create(&new)?;
            self.disk.truncate(&file, &new, 0)?;
            self.disk.write_at(&file, &new, content, 0)?;
            self.disk.rename(&new, &self.path)
        };
        write().inspect_err(|_| {
            // On a full disk the attempt must not stay. There may be nothing to remove.
            let _ = self.disk.unlink(&new);
        })
    }

    /// Adds to its end.
    pub fn append(&self, content: &[u8]) -> io::Result<()> {
        let file = self.disk.create(&self.path)?;
        let end = file.metadata()?.len();
        let written = self.disk.write_at(&file, &self.path, content, end);
        written.inspect_err(|_| {
            // A half of it would spoil what is appended next.
            let _ = self.disk.truncate(&file, &self.path, end);
        })
    }
}

impl Cache {
    /// A file on the cache's disk.
    pub fn small_file(&self, path: PathBuf) -> SmallFile {
        SmallFile::new(path, self.inner.disk.clone())
    }

    /// Makes something that takes an inode of the cache's disk and is none of its files.
    pub fn backed<T>(&self, path: &Path, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
        self.inner.disk.backed(path, make)
    }
}
