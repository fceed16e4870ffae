//! `GET /api/v1/status`: how the box is.

use serde::{Deserialize, Serialize};

use super::text;
use crate::oci::UpstreamName;

/// How the box is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub uptime_seconds: u64,
    pub mode: Mode,
    /// Why it is degraded, in words; empty when it is not.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Nothing while the cache is not open.
    pub cache: Option<CacheStatus>,
    pub traffic: Traffic,
    #[serde(default)]
    pub upstreams: Vec<UpstreamStatus>,
    #[serde(default)]
    pub collector: Option<CollectorStatus>,
    /// Nothing from a box that does not say.
    #[serde(default)]
    pub watchdog: Option<WatchdogStatus>,
    /// Nothing from a box that does not say.
    #[serde(default)]
    pub watching: Option<Watching>,
    #[serde(default)]
    pub alerts: Vec<Alert>,
}

/// Whether the box looks after itself: samples, judges and tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Watching {
    On {
        interval_seconds: u64,
    },
    /// Nobody is told of anything; incidents are as they were when it last looked.
    Off,
}

/// What the box can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Serving,
    /// It serves, with something missing: see the reasons.
    Degraded,
    Starting,
}

/// What the cache holds and may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStatus {
    pub bytes: u64,
    pub bytes_limit: u64,
    pub inodes: u64,
    pub inodes_limit: u64,
    pub images: u64,
    pub blobs: u64,
}

/// What clients asked for and what the WAN carried, since the box has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    pub requests: u64,
    /// Manifests and blobs that were here.
    pub hits: u64,
    /// Manifests and blobs that were not.
    pub misses: u64,
    pub bytes_served: u64,
    pub wan_bytes: u64,
}

impl Traffic {
    /// Hits among manifests and blobs, from 0 to 1; nothing before the first.
    pub fn hit_ratio(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }

    /// Bytes that clients got and the WAN did not carry.
    pub fn wan_bytes_saved(&self) -> u64 {
        self.bytes_served.saturating_sub(self.wan_bytes)
    }
}

/// A registry that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    #[serde(with = "text")]
    pub name: UpstreamName,
    pub endpoints: Vec<EndpointStatus>,
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
}

/// One place to fetch from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    pub endpoint: String,
    pub state: EndpointState,
    /// When it is asked again, if it rests.
    #[serde(default)]
    pub retry_in_seconds: Option<u64>,
    /// When it last gave a good answer, if it ever did.
    #[serde(default)]
    pub answered_seconds_ago: Option<u64>,
}

/// Whether an endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointState {
    Healthy,
    /// It failed and is left alone for a while.
    Resting,
    /// One request goes through to see whether it is back.
    Probing,
}

/// What an upstream lets us ask still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    pub limit: Option<u64>,
    pub remaining: Option<u64>,
}

/// The collector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorStatus {
    /// In words: "idle", "evicting".
    pub state: String,
    pub last_run_seconds_ago: Option<u64>,
    pub freed_bytes: u64,
    /// The last collection that did not make enough room, whatever came after it.
    #[serde(default)]
    pub last_failure: Option<CollectorFailure>,
    /// What limits the worker, as the last one said; empty before there was one.
    #[serde(default)]
    pub limits: Vec<WorkerLimit>,
    /// Nothing from a box that does not say.
    #[serde(default)]
    pub circuit: Option<CircuitStatus>,
}

/// A collection that did not make enough room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectorFailure {
    /// When it began; nothing when the clock was wrong then.
    pub seconds_ago: Option<u64>,
    pub reason: String,
}

/// Something that the worker may not, or not so much of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimit {
    pub name: String,
    /// Whether it is in effect.
    pub holds: bool,
    /// How it is limited, or why not.
    pub text: String,
}

/// Whether the worker is given anything to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum CircuitStatus {
    Closed,
    /// It failed too often and is left alone for a while.
    Open {
        reason: String,
        retry_in_seconds: u64,
    },
}

/// Whether all parts of the box get on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogStatus {
    /// After several resets: the box serves, and does nothing else.
    pub safe_mode: bool,
    /// Parts that have something to do and make no progress.
    pub late: Vec<LatePart>,
    /// The last resets, the latest last.
    pub resets: Vec<Reset>,
}

/// A part that makes no progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatePart {
    pub part: String,
    pub seconds: u64,
}

/// A reset by the watchdog.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// Nothing when the clock was wrong then.
    pub seconds_ago: Option<u64>,
    /// `process` or `machine`.
    pub what: String,
    pub why: String,
}

/// An open incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub id: String,
    pub summary: String,
    pub open_seconds: u64,
}
