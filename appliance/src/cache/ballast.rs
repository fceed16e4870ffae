//! Inodes kept for hard times: a few empty files, given back when one of the house's own files finds none.
//!
//! Where a disk has no inode left, content passes through. The house itself still has to write down what was used,
//! collected and inspected, and to begin a new index in the place of a damaged one: each of that is a new file, if
//! only for the moment until it takes its name. [`Disk::create`] and its like get an inode of the ballast for it, there
//! and then, and take it back when the new file has replaced the old one. What was given for good is made again when
//! there is room.
//!
//! Promises: content gets nothing of it ([`Disk::create_content`]); it is as good as free in [`Disk::space`]; there is
//! none where inodes have no limit, or hardly any are. Must not know: what files are for.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rustix::io::Errno;

use super::{
    disk::{Call, Disk},
    error::{Kind, kind_of},
};

/// What its files are called, up to their numbers.
pub(super) const NAME: &str = "ballast-";

/// Before it is made again there must be so many times as many inodes free: it is not to take the last ones.
const HEADROOM: u64 = 2;

/// How many inodes it is to hold, of so many: a thirtieth, four at most. As many files of the house can be begun and
/// not in place at once.
pub(super) fn size(inodes: u64) -> u64 {
    (inodes / 30).min(4)
}

/// The ballast of one folder.
#[derive(Debug)]
pub(super) struct Ballast {
    folder: PathBuf,
    size: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// So many are there, from the first on.
    held: u64,
    /// Files that were made with one of them, and have not taken their names yet.
    lent: Vec<PathBuf>,
}

impl Ballast {
    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{NAME}{number}"))
    }

    pub(super) fn held(&self) -> u64 {
        self.state.lock().held
    }
}

impl Disk {
    /// The same disk, with a ballast in this folder: as much of it as an earlier process left, and the rest if there
    /// is room.
    pub(super) fn with_ballast(self, folder: &Path) -> Self {
        let size = self.raw_space(folder).map_or(0, |space| size(space.inodes));
        let ballast = Ballast {
            folder: folder.to_owned(),
            size,
            state: Mutex::new(State {
                held: 0,
                lent: Vec::new(),
            }),
        };
        let held = (0..size)
            .take_while(|number| ballast.file(*number).exists())
            .count() as u64;
        ballast.state.lock().held = held;
        let mut disk = self;
        disk.ballast = (size > 0).then(|| ballast.into());
        disk.restore_ballast();
        disk
    }

    /// Makes again what was given, if there is room. Nothing is done when nothing is missing.
    pub(super) fn restore_ballast(&self) {
        let Some(ballast) = &self.ballast else { return };
        let mut state = ballast.state.lock();
        let missing = ballast.size - state.held;
        if missing == 0 {
            return;
        }
        let free = self
            .raw_space(&ballast.folder)
            .map_or(0, |space| space.free_inodes);
        if free < missing + HEADROOM * ballast.size {
            return;
        }
        while state.held < ballast.size && self.take_back(ballast, &mut state) {}
        state.lent.clear();
    }

    /// Runs a call that makes one of the house's own files, again with an inode of the ballast if there is no other.
    pub(super) fn backed<T>(&self, path: &Path, call: impl Fn() -> io::Result<T>) -> io::Result<T> {
        loop {
            match call() {
                Err(error) if self.lend(&error, path) => {}
                other => return other,
            }
        }
    }

    /// Whether there is an inode more, now.
    fn lend(&self, error: &io::Error, path: &Path) -> bool {
        let Some(ballast) = &self.ballast else {
            return false;
        };
        let no_inode = || {
            let space = self.raw_space(&ballast.folder);
            space.is_ok_and(|space| space.inodes > 0 && space.free_inodes == 0)
        };
        let is_quota = error.raw_os_error() == Some(Errno::DQUOT.raw_os_error());
        if !matches!(kind_of(error), Kind::Full(_)) || !is_quota && !no_inode() {
            return false;
        }
        let mut state = ballast.state.lock();
        while state.held > 0 {
            state.held -= 1;
            let file = ballast.file(state.held);
            let given = self
                .before(Call::Unlink, &file)
                .and_then(|()| fs::remove_file(&file));
            match given {
                Ok(()) => {
                    tracing::debug!(file = %path.display(), "there is no inode left: it gets one of the ballast");
                    state.lent.push(path.to_owned());
                    return true;
                }
                // Somebody has removed it: the inode is not to be had here.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => {
                    state.held += 1;
                    return false;
                }
            }
        }
        false
    }

    /// A file has taken the name of another, or is gone. If it had an inode of the ballast, there is one free now.
    pub(super) fn settled(&self, path: &Path) {
        let Some(ballast) = &self.ballast else { return };
        let mut state = ballast.state.lock();
        if let Some(at) = state.lent.iter().position(|lent| lent == path) {
            state.lent.swap_remove(at);
            self.take_back(ballast, &mut state);
        }
    }

    fn take_back(&self, ballast: &Ballast, state: &mut State) -> bool {
        let file = ballast.file(state.held);
        let made = self.before(Call::Create, &file).and_then(|()| {
            OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&file)
        });
        state.held += u64::from(made.is_ok());
        made.is_ok()
    }
}
