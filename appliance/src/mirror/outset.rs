//! How a blob sets out: what those who wait for its flight are told, and how far they may read.

use std::{fs::File, sync::Arc};

use bytes::Bytes;

use super::Unserved;
use crate::{
    cache::Content,
    delivery::{Ended, Growth, Onward},
    oci::Repository,
    source::SourceName,
};

/// Bytes that stay behind the horizon until the digest matches. Any number above zero keeps the promise
/// that nobody completes a corrupt blob; this one is too small to be felt.
const HELD_BACK: u64 = 1024;

/// How a flight of a blob set out: what those who wait for it get.
pub(super) type Outset = Result<Departed, Grounded>;

/// A flight that did not set out: for whom it was, and why.
#[derive(Clone, Debug)]
pub(super) struct Grounded {
    pub(super) repository: Repository,
    pub(super) unserved: Unserved,
}

/// A blob that is on its way, or has come.
#[derive(Clone, Debug)]
pub(super) struct Departed {
    /// For whom it is fetched: others must be shown to have it first.
    pub(super) repository: Repository,
    pub(super) source: Option<SourceName>,
    pub(super) cargo: Cargo,
}

/// Where the bytes are to be had.
#[derive(Clone, Debug)]
pub(super) enum Cargo {
    /// Here already.
    Kept(Content),
    /// Small, here, verified.
    Whole(Bytes),
    /// In a file that grows.
    Growing {
        file: Arc<File>,
        size: Option<u64>,
        growth: Arc<Growth>,
    },
    /// Nowhere: each reader has them pass through.
    Passing {
        size: Option<u64>,
        onward: Arc<dyn Onward>,
    },
}

/// Ends a growth as failed unless it was ended otherwise: readers of a task that panicked or was stopped
/// must not wait for ever.
pub(super) struct Horizon {
    pub(super) growth: Arc<Growth>,
    size: Option<u64>,
}

impl Horizon {
    pub(super) fn new(size: Option<u64>) -> Self {
        Self {
            growth: Arc::default(),
            size,
        }
    }

    /// `written` bytes are in the file.
    pub(super) fn advance(&self, written: u64) {
        self.growth.advance(match self.size {
            Some(size) => written.min(size.saturating_sub(HELD_BACK.min(size))),
            None => written.saturating_sub(HELD_BACK),
        });
    }
}

impl Drop for Horizon {
    fn drop(&mut self) {
        if self.growth.ended().is_none() {
            self.growth.end(Ended::Failed("the fill was stopped".into()));
        }
    }
}
