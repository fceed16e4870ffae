//! Incidents, silences, and who is told.

use serde::{Deserialize, Serialize};

use super::Watching;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alerts {
    /// Those that are not over, the latest last.
    pub incidents: Vec<Incident>,
    /// Those that are, the latest last; a hundred at most.
    pub past: Vec<PastIncident>,
    pub silences: Vec<Silence>,
    pub receivers: Vec<ReceiverState>,
    /// Messages that nobody has had because too many waited.
    pub lost: u64,
    /// Nothing from a box that does not say.
    pub watching: Option<Watching>,
}

/// One that is not over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Incident {
    pub id: u64,
    pub rule: String,
    /// Which disk, interface, upstream; empty where there is one only.
    pub of: String,
    /// `info`, `warning`, `critical`.
    pub severity: String,
    pub cause: String,
    /// `pending`, `firing`, `recovering`.
    pub phase: String,
    pub what: String,
    /// What the box does about it by itself.
    pub measures: String,
    /// What its owner can do.
    pub advice: String,
    pub value: f64,
    pub worst: f64,
    /// Since it began to fire; since it was seen first while it is pending.
    pub seconds: u64,
    /// Whether people were told of it.
    pub told: bool,
    pub flapping: bool,
    pub acknowledged_by: Option<String>,
    /// By the silence of this number.
    pub silenced_by: Option<u64>,
    /// What explains it, so that it is not told itself.
    pub explained_by: Option<String>,
}

/// One that is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PastIncident {
    pub id: u64,
    pub rule: String,
    pub of: String,
    pub severity: String,
    pub worst: f64,
    /// How long it fired.
    pub seconds: u64,
    /// How long ago it ended.
    pub ended_seconds_ago: Option<u64>,
    /// `fine`; `gone`: nothing was measured of it for a day; `unwatched`: it is not in the configuration any more.
    pub ending: String,
    pub told: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Silence {
    pub id: u64,
    pub rule: String,
    pub of: String,
    pub seconds_left: u64,
    pub comment: String,
}

/// How it goes with one who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiverState {
    pub name: String,
    /// Letters that it has not had.
    pub waiting: u64,
    /// Messages that it has had.
    pub delivered: u64,
    /// Why nothing arrives, and for how long; nothing while all does.
    pub error: Option<String>,
    pub failing_seconds: Option<u64>,
    pub tries: u32,
}

/// Somebody takes care of an incident: no reminders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgeRequest {
    pub id: u64,
    #[serde(default)]
    pub by: String,
}

/// Nobody wants to hear of something for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRequest {
    /// `*` stands for any text.
    pub rule: String,
    #[serde(default = "any")]
    pub of: String,
    pub seconds: u64,
    #[serde(default)]
    pub comment: String,
}

fn any() -> String {
    "*".to_owned()
}

/// A silence is to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsilenceRequest {
    pub id: u64,
}

/// A test message is to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestRequest {
    /// To this receiver; without it, to all.
    #[serde(default)]
    pub receiver: Option<String>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertsChanged {
    pub outcome: String,
    /// Of a new silence.
    #[serde(default)]
    pub id: Option<u64>,
}

/// What became of test messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    pub deliveries: Vec<Delivery>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub receiver: String,
    /// Nothing: it has arrived.
    pub error: Option<String>,
}
