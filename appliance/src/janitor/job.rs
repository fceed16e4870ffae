//! What the worker can be asked to do, and what it answers.
//!
//! Promises: every job can be cut anywhere and go on from the [`Progress::cursor`] of its last step; the
//! findings of a step and its cursor travel together. Must not know: who asks, how it travels.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::place::{Cursor, Folder, Name};
use crate::{cache::Stamp, oci::Digest};

/// Something to do. Deleting goes between the files of everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Removes files of blobs, or of what was to be one. A file that is not there was removed already.
    Unlink(Folder, Vec<Digest>),
    Walk(Walk),
}

/// A job that goes through the files in the order of their names. What is there from beginning to end is met
/// exactly once, whatever comes and goes meanwhile; what comes or goes meanwhile may or may not be met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Walk {
    /// What lies under `blobs/`, then what lies under `fill/`, then what lies beside them and is not the house's.
    Scan { from: Cursor },
    /// Whether the files under `blobs/` are what their names say.
    Scrub {
        from: Cursor,
        source: Reading,
        /// The most bytes to read in a second; `None`: as fast as it goes.
        rate: Option<u64>,
    },
    /// Whether these files under `blobs/` are what their names say and are on the medium with their names.
    Verify {
        from: Cursor,
        /// In order, at most [`Walk::MOST_NAMES`].
        names: Vec<Name>,
    },
}

/// Where the bytes of a file are to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reading {
    /// From the medium, past the page cache: what is at rest there is what is being checked.
    Medium,
    /// From wherever they are fastest.
    Anywhere,
}

/// How a job is cut into steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// A step ends after so many files,
    pub files: u32,
    /// or after this long,
    pub time: Duration,
    /// and is followed by a rest.
    pub rest: Duration,
}

impl Pace {
    /// The most files in a step: what fits into one message.
    pub const MOST_FILES: u32 = 1024;

    /// As fast as it goes, with a sign of life every 200 ms.
    pub const BRISK: Self = Self {
        files: Self::MOST_FILES,
        time: Duration::from_millis(200),
        rest: Duration::ZERO,
    };

    /// For what can wait: a disk that is at work half of the time at most.
    pub const GENTLE: Self = Self {
        files: 256,
        time: Duration::from_millis(50),
        rest: Duration::from_millis(50),
    };
}

/// One thing that the worker saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// A blob's file, by a scan.
    File {
        folder: Folder,
        name: Name,
        /// In bytes.
        size: u64,
        /// Seconds since 1970 by the box's wall clock then, which may have been wrong.
        modified: i64,
    },
    /// Something that is not a blob's file, by a scan.
    Foreign { folder: Folder, name: Name, kind: Kind },
    /// A file is what its name says, by a scrub.
    Verified { name: Name, size: u64 },
    /// A file is not what its name says: this is what it hashes to.
    Mismatch { name: Name, found: Name, size: u64 },
    /// A file is what its name says, and is on the medium, by a verification.
    Whole { name: Name, stamp: Stamp },
    /// A file is not what its name says, by a verification: this is what it hashes to.
    Wrong { name: Name, found: Name, stamp: Stamp },
    /// A file could not be looked at, or not to its end.
    Unreadable {
        folder: Folder,
        name: Name,
        why: Refusal,
    },
    /// A file that was to go could not be removed.
    Kept { name: Name, why: Refusal },
}

/// What a foreign name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    File,
    Folder,
    /// A link, a socket, a device.
    Other,
}

/// A system call that failed, as it can be told to another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub text: String,
    /// The system's error number, if it was the system's error.
    pub errno: Option<i32>,
}

impl From<&std::io::Error> for Refusal {
    fn from(error: &std::io::Error) -> Self {
        Self {
            text: error.to_string().chars().take(120).collect(),
            errno: error.raw_os_error(),
        }
    }
}

/// How far a job has come, since it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Everything up to here is done.
    pub cursor: Cursor,
    /// The file in hand.
    pub at: Option<Name>,
    /// Files that are done: removed, seen, read.
    pub files: u64,
    /// Bytes that are done: of removed files, of seen files, read.
    pub bytes: u64,
    /// Files that were to be removed and were not there.
    pub missing: u64,
    /// Names that were looked at in folders, to find the next files: a sign of life.
    pub names: u64,
}

impl Progress {
    pub const fn at(cursor: Cursor) -> Self {
        Self {
            cursor,
            at: None,
            files: 0,
            bytes: 0,
            missing: 0,
            names: 0,
        }
    }

    /// Adds what an earlier worker had done of the same job.
    pub(super) fn on_top_of(mut self, earlier: &Self) -> Self {
        self.files += earlier.files;
        self.bytes += earlier.bytes;
        self.missing += earlier.missing;
        self.names += earlier.names;
        self
    }
}

/// The kinds of jobs, for people and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    Unlink,
    Scan,
    Scrub,
    Verify,
}

impl Task {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unlink => "unlink",
            Self::Scan => "scan",
            Self::Scrub => "scrub",
            Self::Verify => "verify",
        }
    }
}

impl Job {
    pub const fn task(&self) -> Task {
        match self {
            Self::Unlink(..) => Task::Unlink,
            Self::Walk(walk) => walk.task(),
        }
    }
}

impl Walk {
    /// The most names in one walk: what fits into a message several times over.
    pub const MOST_NAMES: usize = 1024;

    pub const fn task(&self) -> Task {
        match self {
            Self::Scan { .. } => Task::Scan,
            Self::Scrub { .. } => Task::Scrub,
            Self::Verify { .. } => Task::Verify,
        }
    }

    pub const fn from(&self) -> &Cursor {
        match self {
            Self::Scan { from } | Self::Scrub { from, .. } | Self::Verify { from, .. } => from,
        }
    }

    /// The same walk from another place.
    pub(super) fn resumed(&self, cursor: Cursor) -> Self {
        let mut walk = self.clone();
        match &mut walk {
            Self::Scan { from } | Self::Scrub { from, .. } => *from = cursor,
            Self::Verify { from, names } => {
                names.retain(|name| cursor.after().is_none_or(|after| name > after));
                *from = cursor;
            }
        }
        walk
    }
}
