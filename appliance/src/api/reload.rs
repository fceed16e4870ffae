//! `POST /api/v1/reload`: read the configuration again.

use serde::{Deserialize, Serialize};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Settings that changed and hold now.
    #[serde(default)]
    pub applied: Vec<String>,
    /// Settings that changed and will hold after a restart.
    #[serde(default)]
    pub needs_restart: Vec<String>,
}
