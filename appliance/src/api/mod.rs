//! The JSON of `/api/v1/`: what the box says to the commands and to the page.
//!
//! Shared by both sides, so that they cannot disagree. Fields are added, never renamed: a command may be
//! older or newer than the box it talks to, so readers ignore what they do not know.
//! Sizes are in bytes, ages in seconds. Must not know: how any of it is found out, or sent.

mod alerts;
mod images;
mod inspect;
mod keep;
mod pull;
mod reload;
mod samples;
mod status;
mod text;

use serde::{Deserialize, Serialize};

pub use alerts::{
    AcknowledgeRequest, Alerts, AlertsChanged, Delivery, Incident, PastIncident, ReceiverState, Silence,
    SilenceRequest, TestRequest, Tested, UnsilenceRequest,
};
pub use images::{ImageEntry, Images};
pub use inspect::{InspectEvent, InspectRequest, Inspection, Inspections};
pub use keep::{CollectEvent, CollectRequest, Collection, Collections, ImageRequest, Kept};
pub use pull::{BlobState, PullEvent, PullRequest};
pub use reload::Reloaded;
pub use samples::{Course, CoursePoint, DroppedSamples, Sampled, Samples};
pub use status::{
    Alert, CacheStatus, CircuitStatus, CollectorFailure, CollectorStatus, EndpointState, EndpointStatus,
    LatePart, Mode, RateLimit, Reset, Status, Traffic, UpstreamStatus, WatchdogStatus, Watching, WorkerLimit,
};

/// Where each thing is asked for.
pub mod path {
    pub const STATUS: &str = "/api/v1/status";
    pub const IMAGES: &str = "/api/v1/images";
    pub const PULL: &str = "/api/v1/pull";
    pub const RELOAD: &str = "/api/v1/reload";
    pub const PIN: &str = "/api/v1/pin";
    pub const UNPIN: &str = "/api/v1/unpin";
    pub const EVICT: &str = "/api/v1/evict";
    pub const COLLECT: &str = "/api/v1/collect";
    pub const COLLECTIONS: &str = "/api/v1/collections";
    pub const INSPECT: &str = "/api/v1/inspect";
    pub const ALERTS: &str = "/api/v1/alerts";
    pub const ACKNOWLEDGE: &str = "/api/v1/alerts/acknowledge";
    pub const SILENCE: &str = "/api/v1/alerts/silence";
    pub const UNSILENCE: &str = "/api/v1/alerts/unsilence";
    pub const TEST_ALERTS: &str = "/api/v1/alerts/test";
    pub const METRICS: &str = "/api/v1/metrics";
    pub const INSPECTIONS: &str = "/api/v1/inspections";
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In words, for a person.
    pub error: String,
}
