//! What a collection did, for people.

use std::fmt;

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
