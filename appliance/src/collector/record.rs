//! What a collection did, for people.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What set a collection off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A resource is above the high mark.
    HighMark,
    /// Something found no room.
    NoRoom,
    /// A resource will be above the high mark soon.
    Forecast,
    /// It is the time for what can wait.
    Window,
    /// A person asked.
    Asked,
}

impl Why {
    pub const ALL: [Self; 5] = [
        Self::HighMark,
        Self::NoRoom,
        Self::Forecast,
        Self::Window,
        Self::Asked,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::HighMark => "high-mark",
            Self::NoRoom => "no-room",
            Self::Forecast => "forecast",
            Self::Window => "window",
            Self::Asked => "asked",
        }
    }

    /// Whether somebody waits for it: clients, whose content passes through meanwhile, or a person.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::HighMark | Self::NoRoom | Self::Asked)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// How a collection ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ending", content = "reason")]
pub enum Ending {
    /// There is room.
    Done,
    /// It only said what would go.
    Rehearsed,
    /// All that may go has gone, and it is not enough: why.
    Short(String),
    /// It could not go on: why.
    Failed(String),
}

impl Ending {
    /// The word of it, as metrics and programs read it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rehearsed => "rehearsed",
            Self::Short(_) => "short",
            Self::Failed(_) => "failed",
        }
    }
}

/// What has been done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By what set them off, and by the words of their endings.
    pub collections: BTreeMap<(&'static str, &'static str), u64>,
    /// Pieces of content that went, and their bytes.
    pub pieces: u64,
    pub bytes: u64,
}

impl Counts {
    pub(super) fn new() -> Self {
        let endings = ["done", "short", "failed"];
        let all = Why::ALL
            .into_iter()
            .flat_map(|why| endings.map(|ending| ((why.word(), ending), 0)));
        Self {
            collections: all.collect(),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, record: &Record) {
        *self
            .collections
            .entry((record.why.word(), record.ending.word()))
            .or_default() += 1;
        self.pieces += record.pieces;
        self.bytes += record.bytes;
    }
}

/// One collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it began.
    pub at: Timestamp,
    /// Milliseconds that it took.
    pub took: u64,
    pub why: Why,
    /// What was to be freed.
    pub goal_bytes: u64,
    pub goal_inodes: u64,
    /// Images and loose blobs that went.
    pub units: u64,
    /// Those that were to go and were asked for at the last moment.
    pub spared: u64,
    /// Pieces of content that went, and their bytes.
    pub pieces: u64,
    pub bytes: u64,
    /// Files that were removed.
    pub files: u64,
    /// How full the fullest resource was, in thousandths: before and after.
    pub before: u32,
    pub after: u32,
    #[serde(flatten)]
    pub ending: Ending,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} images and blobs, {} pieces, {} bytes in {} files, {} ms, {:.1} % full, {:.1} % before ({})",
            self.units,
            self.pieces,
            self.bytes,
            self.files,
            self.took,
            f64::from(self.after) / 10.0,
            f64::from(self.before) / 10.0,
            self.why,
        )?;
        match &self.ending {
            Ending::Done => Ok(()),
            Ending::Rehearsed => f.write_str("; only rehearsed"),
            Ending::Short(why) | Ending::Failed(why) => write!(f, "; {why}"),
        }
    }
}
