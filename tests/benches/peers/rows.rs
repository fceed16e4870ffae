//! What is measured.

use std::fmt;

use crate::content::Wanted;

/// One line of the tables: what is asked for, over how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) wanted: Wanted,
    pub(crate) connections: u32,
}

pub(crate) const BY_DIGEST: &str = "manifest by digest, 64 connections";
pub(crate) const BY_TAG: &str = "manifest by tag, 64";
pub(crate) const LONE: &str = "1 KiB blob, 1 connection";
pub(crate) const BIG: &str = "big blob, 8";

impl Row {
    pub(crate) const ALL: [Self; 6] = [
        Self::new(BY_DIGEST, Wanted::Manifest, 64),
        Self::new(BY_TAG, Wanted::Tag, 64),
        Self::new(LONE, Wanted::Small, 1),
        Self::new("1 KiB blob, 64", Wanted::Small, 64),
        Self::new("1 MiB blob, 8", Wanted::Middle, 8),
        Self::new(BIG, Wanted::Big, 8),
    ];

    const fn new(name: &'static str, wanted: Wanted, connections: u32) -> Self {
        Self {
            name,
            wanted,
            connections,
        }
    }

    /// Measured in bytes, not in requests.
    pub(crate) fn is_bulk(&self) -> bool {
        self.wanted == Wanted::Big
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
