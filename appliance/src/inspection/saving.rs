//! Writing down what is to outlive the process, not too often.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::told::Told;
use crate::{
    cache::{Cache, SmallFile},
    janitor::Name,
};

/// Writes down what is to outlive the process, not too often.
pub(super) struct Saving {
    told: Arc<Told>,
    cache: Cache,
    file: SmallFile,
    every: Duration,
    last: Option<Instant>,
    written: Option<Vec<u8>>,
}

impl Saving {
    pub(super) const fn new(told: Arc<Told>, cache: Cache, file: SmallFile, every: Duration) -> Self {
        Self {
            told,
            cache,
            file,
            every,
            last: None,
            written: None,
        }
    }

    pub(super) async fn save(&mut self) {
        if self.last.is_some_and(|last| last.elapsed() < self.every) {
            return;
        }
        let mut memory = self.told.memory();
        memory.distrusted = self.cache.distrusted().iter().map(Name::from).collect();
        let text = serde_json::to_vec(&memory).ok();
        if text == self.written {
            return;
        }
        self.last = Some(Instant::now());
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || memory.write(&file)).await;
        match written {
            Ok(Ok(())) => self.written = text,
            Ok(Err(error)) => {
                tracing::debug!(path = %self.file.path().display(), %error, "how far the inspections are is not written down");
            }
            // A panic, which was reported where it happened.
            Err(_) => {}
        }
    }
}
