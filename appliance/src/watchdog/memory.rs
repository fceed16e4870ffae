//! Where the history is kept: a small file of a fixed size.
//!
//! Two slots are written in turn, each with a number and a sum, so that a power cut in the middle of one leaves the
//! other. Promises: all of its blocks are there from the first start on, so that it can be written on a full disk; what
//! cannot be read is as good as empty; nothing is written as long as nothing happens, because flash wears. Must not
//! know: what is in it.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::history::History;

const SLOTS: u64 = 2;
/// Each on a page of its own.
const PAGE: u64 = 4096;
const SLOT: usize = 2048;
const MAGIC: &str = "larder-watchdog-1";

/// The history, and its file.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    pub(super) history: History,
    /// Of the slot that was written last.
    number: u64,
}

impl Memory {
    /// Reads it; one that is not there is made. That it cannot be is told, and tried again when there is something to
    /// write.
    pub fn open(path: PathBuf) -> (Self, io::Result<()>) {
        let mut this = Self {
            path,
            history: History::default(),
            number: 0,
        };
        let read = this.read();
        (this, read)
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&mut self) -> io::Result<()> {
        let file = self.file()?;
        for slot in 0..SLOTS {
            let mut bytes = [0; SLOT];
            file.read_exact_at(&mut bytes, slot * PAGE)?;
            if let Some((number, history)) = decode(&bytes)
                && number > self.number
            {
                (self.number, self.history) = (number, history);
            }
        }
        Ok(())
    }

    /// The file, with all of its blocks.
    fn file(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        let (length, whole) = (file.metadata()?.len(), SLOTS * PAGE);
        if length < whole {
            let missing = usize::try_from(whole - length).unwrap_or_default();
            file.write_all_at(&vec![0; missing], length)?;
            file.sync_all()?;
        }
        Ok(file)
    }

    /// Writes it, and waits until it is on the medium.
    pub fn write(&mut self) -> io::Result<()> {
        let number = self.number + 1;
        let slot = encode(number, &self.history);
        let file = self.file()?;
        file.write_all_at(&slot, number % SLOTS * PAGE)?;
        file.sync_data()?;
        self.number = number;
        Ok(())
    }
}

/// A line with number, sum and length; then the history.
fn encode(number: u64, history: &History) -> Vec<u8> {
    let mut kept = history.clone();
    loop {
        // It is numbers and words: there is nothing that could not be written.
        let text = serde_json::to_string(&kept).unwrap_or_default();
        let sum = sum(number, text.as_bytes());
        let mut slot = format!("{MAGIC} {number} {sum:016x} {}\n{text}\n", text.len()).into_bytes();
        let left = kept.resets().len();
        if slot.len() <= SLOT || left == 0 {
            slot.resize(SLOT, b' ');
            return slot;
        }
        kept.shorten(left - 1);
    }
}

fn decode(slot: &[u8]) -> Option<(u64, History)> {
    let end = slot.iter().position(|byte| *byte == b'\n')?;
    let mut head = str::from_utf8(&slot[..end]).ok()?.split(' ');
    if head.next()? != MAGIC {
        return None;
    }
    let number = head.next()?.parse().ok()?;
    let told = u64::from_str_radix(head.next()?, 16).ok()?;
    let length: usize = head.next()?.parse().ok()?;
    let text = slot.get(end + 1..)?.get(..length)?;
    (sum(number, text) == told).then_some(())?;
    Some((number, serde_json::from_slice(text).ok()?))
}

/// FNV-1a: it is to notice half a slot, and not an enemy.
fn sum(number: u64, text: &[u8]) -> u64 {
    let bytes = number.to_le_bytes();
    bytes.iter().chain(text).fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
