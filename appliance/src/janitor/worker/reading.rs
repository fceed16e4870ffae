//! Reading a file to its end, in pieces.
//!
//! Where the filesystem can, files are read past the page cache: what is at rest on the medium is checked, and
//! neither are hot blobs pushed out of memory nor those that are there dropped. Elsewhere each piece that was
//! not in memory before is dropped after it was read.
//!
//! Promises: at most so many bytes a second; signs of life and cancels within a large file; one buffer. Must not
//! know: what follows from what a file hashes to.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    num::NonZeroU64,
    path::Path,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Advice, fadvise},
    io::{Errno, ReadWriteFlags, preadv2},
};

use super::step::{Halt, Stride};
use crate::{
    cache::Disk,
    janitor::job::Reading,
    oci::{Digest, Hasher},
};

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;
/// What buffers and offsets are aligned to when the page cache is passed: no sector is larger.
const ALIGNMENT: usize = 4096;

/// Why a file was not read to its end.
pub(super) enum Broken {
    Disk(io::Error),
    Off(Halt),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// One buffer, and how fast it may be filled.
pub(super) struct Reader {
    buffer: Vec<u8>,
    /// Where in the buffer the piece begins.
    aligned: usize,
    meter: Meter,
}

impl Reader {
    pub(super) fn new(rate: Option<u64>) -> Self {
        let buffer = vec![0; CHUNK + ALIGNMENT];
        Self {
            aligned: buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT),
            meter: Meter::new(rate),
            buffer,
        }
    }

    /// What a file hashes to, and its length.
    pub(super) fn hash(
        &mut self,
        stride: &mut Stride<'_>,
        source: &mut Source,
        path: &Path,
        like: Digest,
    ) -> Result<(Digest, u64), Broken> {
        let chunk = &mut self.buffer[self.aligned..self.aligned + CHUNK];
        let mut hasher = Hasher::new(like.algorithm());
        let mut at = 0;
        loop {
            let count = source.read(&stride.bench.disk, path, chunk, at)?;
            if count == 0 {
                return Ok((hasher.finish(), at));
            }
            hasher.update(&chunk[..count]);
            at += count as u64;
            stride.bytes(count as u64);
            let until = self.meter.after(count as u64);
            stride
                .breathe()
                .and_then(|()| stride.pause(until))
                .map_err(Broken::Off)?;
        }
    }

    /// The same without a job.
    #[cfg(test)]
    pub(super) fn hash_alone(
        &mut self,
        source: &mut Source,
        path: &Path,
        like: Digest,
    ) -> io::Result<Digest> {
        let chunk = &mut self.buffer[self.aligned..self.aligned + CHUNK];
        let mut hasher = Hasher::new(like.algorithm());
        let mut at = 0;
        loop {
            let count = source.read(&Disk::real(), path, chunk, at)?;
            if count == 0 {
                return Ok(hasher.finish());
            }
            hasher.update(&chunk[..count]);
            at += count as u64;
        }
    }
}

/// A file, and how it is read.
pub(super) enum Source {
    Direct(File),
    Cached(File),
}

impl Source {
    pub(super) fn open(disk: &Disk, path: &Path, source: Reading) -> io::Result<Self> {
        match source {
            Reading::Medium => match disk.open_direct(path) {
                Err(error) if refuses_direct(&error) => Self::cached(disk, path),
                opened => opened.map(Self::Direct),
            },
            Reading::Anywhere => Self::cached(disk, path),
        }
    }

    fn cached(disk: &Disk, path: &Path) -> io::Result<Self> {
        let file = disk.open(path)?;
        // Reading ahead would make the next piece look as if it had been in memory all along.
        let _ = fadvise(&file, 0, None, Advice::Random);
        Ok(Self::Cached(file))
    }

    pub(super) const fn file(&self) -> &File {
        let (Self::Cached(file) | Self::Direct(file)) = self;
        file
    }

    fn read(&mut self, disk: &Disk, path: &Path, chunk: &mut [u8], at: u64) -> io::Result<usize> {
        if let Self::Direct(file) = self {
            match disk.read_some(file, path, chunk, at) {
                // Some filesystems say so only now, or when a short read has left the offset unaligned.
                Err(error) if refuses_direct(&error) => *self = Self::cached(disk, path)?,
                read => return read,
            }
        }
        let (Self::Cached(file) | Self::Direct(file)) = &*self;
        let in_memory = preadv2(file, &mut [IoSliceMut::new(chunk)], at, ReadWriteFlags::NOWAIT);
        if in_memory == Ok(chunk.len()) {
            return Ok(chunk.len());
        }
        let count = disk.read_some(file, path, chunk, at)?;
        if let Some(length) = NonZeroU64::new(count as u64) {
            let _ = fadvise(file, at, Some(length), Advice::DontNeed);
        }
        Ok(count)
    }
}

fn refuses_direct(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::OPNOTSUPP))
}

/// Spreads bytes over time.
struct Meter {
    rate: Option<u64>,
    free: Instant,
}

impl Meter {
    fn new(rate: Option<u64>) -> Self {
        Self {
            rate: rate.filter(|rate| *rate > 0),
            free: Instant::now(),
        }
    }

    /// When the next bytes may be read, after these. What was not used is not saved up.
    fn after(&mut self, bytes: u64) -> Instant {
        let now = Instant::now();
        if let Some(rate) = self.rate {
            let wait = Duration::from_secs_f64(bytes as f64 / rate as f64);
            self.free = self.free.max(now) + wait;
            return self.free;
        }
        now
    }
}
