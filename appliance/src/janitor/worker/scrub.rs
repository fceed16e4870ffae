//! Reading files to see whether they are what their names say.
//!
//! Where the filesystem can, files are read past the page cache: what is at rest on the medium is checked, and
//! neither are hot blobs pushed out of memory nor those that are there dropped. Elsewhere each piece that was
//! not in memory before is dropped after it was read.
//!
//! Promises: at most so many bytes a second; signs of life and cancels within a large file; one buffer. A file
//! that was begun is begun anew after a restart. Must not know: what follows from a mismatch.

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

use super::{
    listing::Listing,
    step::{Halt, Stride},
};
use crate::{
    cache::Disk,
    janitor::{
        job::{Finding, Reading},
        place::{Folder, Name},
    },
    oci::{Digest, Hasher},
};

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;
/// What buffers and offsets are aligned to when the page cache is passed: no sector is larger.
const ALIGNMENT: usize = 4096;
const FOLDER: Folder = Folder::Blobs;

pub(super) fn run(mut stride: Stride<'_>, source: Reading, rate: Option<u64>) -> Result<(), Halt> {
    let mut buffer = vec![0; CHUNK + ALIGNMENT];
    let aligned = buffer.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    let mut scrub = Scrub {
        source,
        meter: Meter::new(rate),
        chunk: &mut buffer[aligned..aligned + CHUNK],
    };
    let mut listing = Listing::begin(&mut stride, FOLDER);
    while let Some(name) = listing.next(&mut stride)? {
        stride.at(&name);
        stride.breathe()?;
        let Some(digest) = name.digest() else {
            stride.over(FOLDER, name);
            continue;
        };
        let finding = match scrub.hash(&mut stride, &listing.path(&name), digest) {
            Ok((found, size)) if found == digest => Finding::Verified {
                name: name.clone(),
                size,
            },
            Ok((found, size)) => Finding::Mismatch {
                name: name.clone(),
                found: Name::from(&found),
                size,
            },
            Err(Broken::Off(halt)) => return Err(halt),
            Err(Broken::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {
                stride.over(FOLDER, name);
                continue;
            }
            Err(Broken::Disk(error)) => Finding::Unreadable {
                folder: FOLDER,
                name: name.clone(),
                why: (&error).into(),
            },
        };
        stride.found(finding);
        stride.done(FOLDER, name);
    }
    stride.finish()
}

/// Why a file was not read to its end.
enum Broken {
    Disk(io::Error),
    Off(Halt),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

struct Scrub<'a> {
    source: Reading,
    meter: Meter,
    chunk: &'a mut [u8],
}

impl Scrub<'_> {
    fn hash(
        &mut self,
        stride: &mut Stride<'_>,
        path: &Path,
        digest: Digest,
    ) -> Result<(Digest, u64), Broken> {
        let mut file = Source::open(&stride.bench.disk, path, self.source)?;
        let mut hasher = Hasher::new(digest.algorithm());
        let mut at = 0;
        loop {
            let count = file.read(&stride.bench.disk, path, self.chunk, at)?;
            if count == 0 {
                return Ok((hasher.finish(), at));
            }
            hasher.update(&self.chunk[..count]);
            at += count as u64;
            stride.bytes(count as u64);
            let until = self.meter.after(count as u64);
            stride
                .breathe()
                .and_then(|()| stride.pause(until))
                .map_err(Broken::Off)?;
        }
    }
}

/// A file, and how it is read.
enum Source {
    Direct(File),
    Cached(File),
}

impl Source {
    fn open(disk: &Disk, path: &Path, source: Reading) -> io::Result<Self> {
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

/// The same reading, without a job.
#[cfg(test)]
pub(super) fn hash_of(path: &Path, source: Reading, like: Digest) -> io::Result<Digest> {
    let mut buffer = vec![0; CHUNK + ALIGNMENT];
    let aligned = buffer.as_ptr().align_offset(ALIGNMENT);
    let disk = Disk::real();
    let mut file = Source::open(&disk, path, source)?;
    let mut hasher = Hasher::new(like.algorithm());
    let mut at = 0;
    loop {
        let count = file.read(&disk, path, &mut buffer[aligned..aligned + CHUNK], at)?;
        if count == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[aligned..aligned + count]);
        at += count as u64;
    }
}
