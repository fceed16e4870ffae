//! `POST /api/v1/inspect`, `GET /api/v1/inspections`: whether disk and list agree.
//!
//! `inspect` answers with a stream of lines, each a JSON object ([`InspectEvent`]). The last is `done` or `failed`;
//! while it works a line comes at least every fifteen seconds.

use serde::{Deserialize, Serialize};

/// How to inspect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectRequest {
    /// Also read everything.
    #[serde(default)]
    pub scrub: bool,
}

/// One line of an inspection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum InspectEvent {
    Working,
    Done {
        /// The scan, and the scrub if one was asked for; without it if the scan failed.
        inspections: Vec<Inspection>,
    },
    Failed {
        reason: String,
    },
}

/// The last passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspections {
    /// The latest last. One that is under way is among them.
    pub inspections: Vec<Inspection>,
}

/// One pass over the files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inspection {
    /// `recovery`, `scan` or `scrub`.
    pub what: String,
    /// `schedule`, `asked`, `start` or `loss`.
    pub why: String,
    /// How long ago it began; nothing when the clock was wrong then.
    pub seconds_ago: Option<u64>,
    /// For how long it was at work.
    pub took_milliseconds: u64,
    pub files: u64,
    pub bytes_read: u64,
    /// Files that nobody listed, that were whole and are listed now: shown to who had filled them, and hidden.
    pub shown: u64,
    pub hidden: u64,
    /// Files that nobody listed and that were removed, and their bytes.
    pub orphans: u64,
    pub orphan_bytes: u64,
    /// Files that nobody lists and that are left alone for now.
    pub left: u64,
    /// Blobs off the list: without their file, or with wrong bytes.
    pub lost: u64,
    pub mismatched: u64,
    /// Partials that were removed, and fills that had none.
    pub partials: u64,
    pub fills: u64,
    /// Files that could not be looked at or read.
    pub unreadable: u64,
    /// Names that are not the cache's, and the first of them.
    pub foreign: u64,
    pub foreign_names: Vec<String>,
    /// Workers that had to be replaced.
    pub restarts: u64,
    /// `open`, `done` or `failed`.
    pub ending: String,
    /// What it failed of: `worker`, `disk`, `index` or `janitor`.
    pub fault: Option<String>,
    /// The same in words.
    pub reason: Option<String>,
}
