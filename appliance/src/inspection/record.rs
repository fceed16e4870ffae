//! What a pass found, for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Foreign names that are told.
const NAMES: usize = 20;

/// The kinds of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Names and lengths, and the bytes of what nobody lists: to list it.
    Recovery,
    /// Names and lengths.
    Scan,
    /// All bytes.
    Scrub,
}

impl What {
    pub const ALL: [Self; 3] = [Self::Recovery, Self::Scan, Self::Scrub];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Recovery => "recovery",
            Self::Scan => "scan",
            Self::Scrub => "scrub",
        }
    }
}

/// What set a pass off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It was time.
    Schedule,
    /// A person asked.
    Asked,
    /// The box has started.
    Start,
    /// The index was lost while in use.
    Loss,
}

impl Why {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Asked => "asked",
            Self::Start => "start",
            Self::Loss => "loss",
        }
    }
}

/// How a pass stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ending", content = "fault")]
pub enum Ending {
    /// It goes on, now or when there is time.
    Open,
    Done,
    /// It could not go on. It is tried again from there.
    Failed(Fault),
}

/// Why a pass could not go on, with the reason in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "reason")]
pub enum Fault {
    /// The worker failed too often and is left alone for a while.
    #[error("the worker: {0}")]
    Worker(String),
    /// The disk refused what a walk cannot do without.
    #[error("the disk: {0}")]
    Disk(String),
    /// The index cannot be read or written.
    #[error("the index: {0}")]
    Index(String),
    /// Somebody else has the worker, or it has stopped.
    #[error("the janitor: {0}")]
    Janitor(String),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    /// Files that were seen, or read.
    pub files: u64,
    /// Bytes that were read; a scan reads none.
    pub bytes: u64,
    /// Files that nobody listed, that were whole and are listed now: shown to the repository that had filled them, and
    /// hidden from every one.
    pub shown: u64,
    pub hidden: u64,
    /// Files that nobody listed and that were removed, and their bytes.
    pub orphans: u64,
    pub orphan_bytes: u64,
    /// Files that nobody lists and that are left alone for now.
    pub left: u64,
    /// Blobs off the list, because their files were missing or of another length.
    pub lost: u64,
    /// Partials that were removed, and fills that had none.
    pub partials: u64,
    pub fills: u64,
    /// Files whose bytes are not what their names say: off the list, as far as they were on it, and removed.
    pub mismatched: u64,
    /// Files that could not be looked at or read.
    pub unreadable: u64,
    /// Names that are not ours.
    pub foreign: u64,
    /// Workers that had to be replaced.
    pub restarts: u64,
}

macro_rules! by_field {
    ($($field:ident),+) => {
        impl Sums {
            /// What has come on top of an earlier state.
            pub(super) const fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.saturating_sub(earlier.$field)),+ }
            }

            pub(super) const fn add(&mut self, more: &Self) {
                $(self.$field = self.$field.saturating_add(more.$field);)+
            }
        }
    };
}

by_field!(
    files,
    bytes,
    shown,
    hidden,
    orphans,
    orphan_bytes,
    left,
    lost,
    partials,
    fills,
    mismatched,
    unreadable,
    foreign,
    restarts
);

/// One pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub what: What,
    pub why: Why,
    /// When it began.
    pub at: Timestamp,
    /// Milliseconds that it was at work.
    pub took: u64,
    #[serde(flatten)]
    pub sums: Sums,
    /// The first of the names that are not ours.
    pub foreign_names: Vec<String>,
    #[serde(flatten)]
    pub ending: Ending,
}

impl Record {
    pub(super) fn new(what: What, why: Why, at: Timestamp) -> Self {
        Self {
            what,
            why,
            at,
            took: 0,
            sums: Sums::default(),
            foreign_names: Vec::new(),
            ending: Ending::Open,
        }
    }

    pub(super) fn foreign(&mut self, name: String) {
        self.sums.foreign += 1;
        if self.foreign_names.len() < NAMES && !self.foreign_names.contains(&name) {
            self.foreign_names.push(name);
        }
    }

    /// Whether all was as it should be.
    pub fn is_quiet(&self) -> bool {
        let told = Sums {
            files: 0,
            ..self.sums
        };
        told == Sums::default() && self.ending == Ending::Done
    }

    /// Whether content was lost, which disks should not do.
    pub const fn is_alarming(&self) -> bool {
        self.sums.lost > 0 || self.sums.mismatched > 0 || self.sums.unreadable > 0
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = &self.sums;
        write!(f, "{}: {} files", self.what.word(), sums.files)?;
        for (count, what) in [
            (sums.bytes, "bytes read"),
            (sums.shown, "whole files listed"),
            (
                sums.hidden,
                "whole files listed, hidden until somebody proves to have them",
            ),
            (sums.orphans, "unlisted files removed"),
            (sums.left, "unlisted files left alone"),
            (sums.partials, "partials removed"),
            (sums.fills, "fills without a file forgotten"),
            (sums.lost, "blobs lost their file"),
            (sums.mismatched, "blobs were not what they should be"),
            (sums.unreadable, "files cannot be read"),
            (sums.foreign, "names are not ours"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        match &self.ending {
            Ending::Open => f.write_str("; not at its end"),
            Ending::Done => Ok(()),
            Ending::Failed(fault) => write!(f, "; {fault}"),
        }
    }
}
