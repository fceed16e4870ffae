//! A disk that is full at one place of a fill.

use std::{
    fs, io,
    path::Path,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use rustix::io::Errno;

use super::Place;
use crate::cache::{Call, Faults};

pub(super) struct FullDisk {
    place: Place,
    /// Bytes that fit.
    fits: u64,
    refused: AtomicU64,
}

impl FullDisk {
    pub(super) const fn at(place: Place, fits: u64) -> Self {
        Self {
            place,
            fits,
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(SeqCst)
    }

    fn refuses(&self, call: Call, path: &Path) -> bool {
        let is_fill = path.parent().is_some_and(|folder| folder.ends_with("fill"));
        let written = || fs::metadata(path).map_or(0, |file| file.len());
        is_fill
            && match self.place {
                Place::First => call == Call::Create,
                Place::Middle => call == Call::Write && written() >= self.fits,
                // Disks that promise more than they have say so here.
                Place::Last => call == Call::Sync,
            }
    }
}

impl Faults for FullDisk {
    fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        if self.refuses(call, path) {
            self.refused.fetch_add(1, SeqCst);
            return Err(Errno::NOSPC.into());
        }
        Ok(())
    }
}
