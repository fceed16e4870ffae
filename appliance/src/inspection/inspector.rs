//! Asking for inspections, and about them.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    memory::Memory,
    record::{Record, What},
    settings::Settings,
    task::Keeper,
    told::{Tally, Told},
    walker::Walker,
};
use crate::{cache::Cache, collector::Hands, janitor::Name};

/// How thorough an inspection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Scan,
    /// A scan, and then everything is read.
    Scrub,
}

/// Inspections. Clones are the same; they end when the last is dropped.
#[derive(Clone)]
pub struct Inspector {
    requests: mpsc::Sender<Asked>,
    told: Arc<Told>,
}

/// Inspections have ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("inspections have stopped")]
pub struct Stopped;

/// Somebody who waits.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) depth: Depth,
    pub(super) done: oneshot::Sender<Vec<Record>>,
    /// The passes that answer the request, as far as they are at their end.
    pub(super) passes: Vec<Record>,
}

impl Inspector {
    /// Starts the task. What an earlier process has left is gone on with.
    pub fn start(
        cache: Cache,
        walker: Arc<dyn Walker>,
        hands: Arc<dyn Hands>,
        settings: Settings,
    ) -> (Self, JoinHandle<()>) {
        let memory = Memory::read(&cache.small_file(settings.memory.clone()));
        cache.remember_distrusted(memory.distrusted.iter().filter_map(Name::digest));
        let told = Arc::new(Told::new(memory));
        let (requests, incoming) = mpsc::channel(64);
        let keeper = Keeper::new(cache, walker, hands, settings, told.clone());
        (Self { requests, told }, tokio::spawn(keeper.run(incoming)))
    }

    /// Inspects now: a scan, which joins the one that runs, and a scrub after it if one is wanted. The records of both,
    /// or of the one that failed.
    pub async fn inspect(&self, depth: Depth) -> Result<Vec<Record>, Stopped> {
        let (done, records) = oneshot::channel();
        let asked = Asked {
            depth,
            done,
            passes: Vec::new(),
        };
        self.requests.send(asked).await.map_err(|_| Stopped)?;
        records.await.map_err(|_| Stopped)
    }

    /// The last passes and those that are under way, the latest last.
    pub fn history(&self) -> Vec<Record> {
        self.told.history()
    }

    /// What has happened since the start.
    pub fn tally(&self) -> Tally {
        self.told.tally()
    }
}

impl Asked {
    /// What it waits for: a scan goes before a scrub.
    pub(super) fn wants(&self) -> What {
        if self.passes.is_empty() {
            What::Scan
        } else {
            What::Scrub
        }
    }
}
