//! What the mirror is told, and may be told anew while it runs.

use std::time::Duration;

use super::{Names, Pace, Upstreams};

/// All that can change while the mirror runs.
pub struct Rules {
    pub upstreams: Upstreams,
    pub names: Names,
    pub settings: Settings,
}

/// Bounds and shares.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a request may wait for the first byte of an answer.
    pub first_byte: Duration,
    /// How long a cached tag's revalidation may hold up its answer. The asking itself goes on.
    pub revalidation: Duration,
    /// How long "not found" is remembered.
    pub negative_ttl: Duration,
    /// Blobs smaller than this, in bytes, are stored in the index and fetched whole.
    pub inline_below: u64,
    /// The WAN's share for all fetches together.
    pub pace: Pace,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(8),
            // Longer than a HEAD over a satellite link, shorter than a person's patience.
            revalidation: Duration::from_secs(2),
            negative_ttl: Duration::from_secs(15),
            inline_below: 32 << 10,
            pace: Pace::default(),
        }
    }
}
