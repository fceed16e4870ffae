//! `POST /api/v1/{pin,unpin,evict,collect}`, `GET /api/v1/collections`: what is kept, and making room.
//!
//! `collect` answers with a stream of lines, each a JSON object ([`CollectEvent`]). The last is `done` or
//! `failed`; while it works a line comes at least every fifteen seconds.

use serde::{Deserialize, Serialize};

/// Which image to pin, unpin or evict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRequest {
    /// As people name images: `alpine:3.20`.
    pub reference: String,
}

/// What pinning, unpinning or evicting came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The image's whole name.
    pub reference: String,
    /// In words: "pinned; it is not here yet".
    pub outcome: String,
}

/// How to collect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectRequest {
    /// Only say what would go.
    #[serde(default)]
    pub dry_run: bool,
}

/// One line of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum CollectEvent {
    Working,
    Done { collection: Collection },
    Failed { reason: String },
}

/// The last collections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Collections {
    /// The latest last.
    pub collections: Vec<Collection>,
}

/// One collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// How long ago it began; nothing when the clock was wrong then.
    #[serde(default)]
    pub seconds_ago: Option<u64>,
    pub took_milliseconds: u64,
    /// `high-mark`, `no-room`, `forecast`, `window` or `asked`.
    pub why: String,
    /// What was to be freed.
    pub goal_bytes: u64,
    pub goal_inodes: u64,
    /// Images and loose blobs that went, or would go.
    pub units: u64,
    /// Those that were to go and were asked for at the last moment.
    #[serde(default)]
    pub spared: u64,
    pub pieces: u64,
    pub bytes: u64,
    pub files: u64,
    /// How full the fullest resource was, from 0 to 1.
    pub full_before: f64,
    pub full_after: f64,
    /// `done`, `rehearsed`, `short` or `failed`.
    pub ending: String,
    /// Why it is short of its goal, or failed.
    #[serde(default)]
    pub reason: Option<String>,
}
