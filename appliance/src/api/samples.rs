//! What was sampled: now, and over a time.

use serde::{Deserialize, Serialize};

use super::Watching;

/// Everything that is sampled, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Samples {
    pub series: Vec<Sampled>,
    /// Samples that were dropped because they cannot be true.
    pub dropped: Vec<DroppedSamples>,
    /// Nothing from a box that does not say.
    pub watching: Option<Watching>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampled {
    pub metric: String,
    pub of: String,
    pub unit: String,
    /// The last that could be believed.
    pub value: Option<f64>,
    pub seconds_ago: Option<u64>,
    /// Why what was read after it was dropped.
    pub dropped: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DroppedSamples {
    pub metric: String,
    pub reason: String,
    pub count: u64,
}

/// A series over a time, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    pub metric: String,
    pub of: String,
    /// Between two points.
    pub step_seconds: u64,
    pub points: Vec<CoursePoint>,
}

/// In the step that begins then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CoursePoint {
    pub seconds_ago: u64,
    pub least: f32,
    pub average: f32,
    pub most: f32,
}
