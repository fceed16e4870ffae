//! The records on the disk: a file that grows by what changed, and is written anew when it has grown too long.
//!
//! ```text
//! magic                                  8 bytes, with the layout's version
//! count  checksum  (fingerprint record)… 4 + 8 + count × 24 bytes, again and again
//! ```
//!
//! Promises: what cannot be read is left out, and does no harm: the file's content is a help, not a truth. A
//! crash in the middle of a write costs that write. It never takes more than three times what its records
//! need. Must not know: what records say.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::Uses;
use crate::{
    cache::{
        disk::Disk,
        eviction::{Fingerprint, Record, record::RECORD_BYTES},
    },
    clock::Timestamp,
    oci::{Algorithm, Hasher},
};

const MAGIC: &[u8; 8] = b"larduse1";
const HEAD: usize = 12;
const ENTRY: usize = 8 + RECORD_BYTES;

/// The most records in one frame: bounds what is held in memory for writing.
const FRAME: usize = 4096;

/// A file shorter than this is not worth writing anew, in bytes.
const SHORT: u64 = 64 << 10;

/// The file of the records.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    disk: Disk,
    /// Where the next frame goes; nothing until the file was read or written.
    end: Option<u64>,
}

/// The records could not be written; they are still in memory.
#[derive(Debug, thiserror::Error)]
#[error("write what was used to {path}")]
pub(crate) struct LogError {
    path: String,
    source: io::Error,
}

impl Log {
    pub(crate) fn new(path: PathBuf, disk: Disk) -> Self {
        Self {
            path,
            disk,
            end: None,
        }
    }

    /// Reads what an earlier process wrote into `uses`, as far as it can be read.
    pub(crate) fn read(&mut self, uses: &Uses, now: Timestamp) {
        let file = match self.disk.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "what was used is not known: it cannot be read");
                return;
            }
        };
        match self.frames(&file, uses, now) {
            Ok(end) => self.end = Some(end),
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "what was used is known only in part");
            }
        }
        // They came from the disk: nothing of it is to be written.
        drop(uses.changes());
    }

    fn frames(&self, file: &File, uses: &Uses, now: Timestamp) -> io::Result<u64> {
        let length = file.metadata()?.len();
        let mut magic = [0; MAGIC.len()];
        self.disk.read_at(file, &self.path, &mut magic, 0)?;
        if &magic != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is of another kind",
            ));
        }
        let mut at = MAGIC.len() as u64;
        let mut head = [0; HEAD];
        let mut body = Vec::new();
        while at + HEAD as u64 <= length {
            self.disk.read_at(file, &self.path, &mut head, at)?;
            let (count, sum) = head.split_at(4);
            let count = u32::from_le_bytes(count.try_into().unwrap_or_default()) as usize;
            let next = at + (HEAD + count * ENTRY) as u64;
            // What follows a torn frame was never told to be written.
            if count == 0 || count > FRAME || next > length {
                break;
            }
            body.resize(count * ENTRY, 0);
            self.disk.read_at(file, &self.path, &mut body, at + HEAD as u64)?;
            if checksum(&body) != sum {
                break;
            }
            for entry in body.chunks_exact(ENTRY) {
                if let Some((name, record)) = decode(entry) {
                    uses.learn(name, record, now);
                }
            }
            at = next;
        }
        Ok(at)
    }

    /// Appends what changed; or writes all anew, when the file has grown long. Blocks.
    pub(crate) fn write(&mut self, uses: &Uses) -> Result<(), LogError> {
        let changes = uses.changes();
        let failed = |source| LogError {
            path: self.path.display().to_string(),
            source,
        };
        let needed = (MAGIC.len() + uses.len() * ENTRY) as u64;
        let written = match self.end {
            Some(end) if end < SHORT.max(needed * 2) => {
                if changes.is_empty() {
                    return Ok(());
                }
                self.append(end, &changes)
            }
            _ => self.rewrite(uses),
        };
        match written {
            Ok(end) => {
                self.end = Some(end);
                Ok(())
            }
            Err(error) => {
                // What is in the file is not known any more; next time it is written anew.
                self.end = None;
                Err(failed(error))
            }
        }
    }

    fn append(&self, mut end: u64, changes: &[(Fingerprint, Record)]) -> io::Result<u64> {
        let file = self.disk.create(&self.path)?;
        for part in changes.chunks(FRAME) {
            end = self.frame(&file, end, part)?;
        }
        self.disk.sync(&file, &self.path)?;
        Ok(end)
    }

    fn rewrite(&self, uses: &Uses) -> io::Result<u64> {
        let new = self.path.with_extension("new");
        let written = self
            .write_all(&new, uses)
            .and_then(|end| self.disk.rename(&new, &self.path).map(|()| end));
        if written.is_err() {
            // On a full disk the attempt must not stay.
            let _ = self.disk.unlink(&new);
        }
        written
    }

    fn write_all(&self, new: &Path, uses: &Uses) -> io::Result<u64> {
        let file = self.disk.create(new)?;
        self.disk.truncate(&file, new, 0)?;
        self.disk.write_at(&file, new, MAGIC, 0)?;
        let mut end = MAGIC.len() as u64;
        uses.each(|records| {
            for part in records.chunks(FRAME) {
                end = self.frame(&file, end, part)?;
            }
            io::Result::Ok(())
        })?;
        self.disk.sync(&file, new)?;
        Ok(end)
    }

    /// Writes one frame at `at`; where the next one goes.
    fn frame(&self, file: &File, at: u64, part: &[(Fingerprint, Record)]) -> io::Result<u64> {
        if part.is_empty() {
            return Ok(at);
        }
        let mut frame = Vec::with_capacity(HEAD + part.len() * ENTRY);
        frame.extend_from_slice(&[0; HEAD]);
        for (name, record) in part {
            frame.extend_from_slice(&name.0.to_le_bytes());
            frame.extend_from_slice(&record.encode());
        }
        let sum = checksum(&frame[HEAD..]);
        frame[..4].copy_from_slice(&(part.len() as u32).to_le_bytes());
        frame[4..HEAD].copy_from_slice(&sum);
        self.disk.write_at(file, &self.path, &frame, at)?;
        Ok(at + frame.len() as u64)
    }
}

fn decode(entry: &[u8]) -> Option<(Fingerprint, Record)> {
    let (name, record) = entry.split_first_chunk::<8>()?;
    let record = Record::decode(record.try_into().ok()?);
    Some((Fingerprint(u64::from_le_bytes(*name)), record))
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(bytes);
    let digest = hasher.finish();
    let mut sum = [0; 8];
    sum.copy_from_slice(&digest.key()[1..9]);
    sum
}
