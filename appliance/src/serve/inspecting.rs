//! The inspections of this box: their means, and their words.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use super::{
    collecting::{Worker, is_open},
    facts::Site,
};
use crate::{
    api,
    cache::Cache,
    clock::{Clock, Timestamp},
    config::Config,
    inspection::{Ending, Fault, Inspector, Record, Settings, What},
    janitor::Supervisor,
    mirror::Mirror,
};

/// Inspections, and what ends with them.
pub(super) struct Inspecting {
    pub(super) inspector: Inspector,
    task: JoinHandle<()>,
}

impl Inspecting {
    pub(super) fn start(
        config: &Config,
        cache: &Cache,
        mirror: &Mirror,
        janitor: &Supervisor,
        clock: &Clock,
        site: &Arc<ArcSwap<Site>>,
    ) -> Self {
        let settings = Settings {
            window: {
                let site = site.clone();
                Arc::new(move || is_open(site.load().config.janitor.window))
            },
            daily: {
                let site = site.clone();
                Arc::new(move || {
                    let window = site.load().config.janitor.window;
                    window.map_or(Duration::from_secs(24 * 3600), |window| window.0.length())
                })
            },
            gone: {
                let mirror = mirror.clone();
                Arc::new(move || mirror.forget_whole())
            },
            ..Settings::new(clock.clone(), config.data_dir.join("inspection.json"))
        };
        let hands = Arc::new(Worker(janitor.clone()));
        let (inspector, task) = Inspector::start(cache.clone(), Arc::new(janitor.clone()), hands, settings);
        Self { inspector, task }
    }

    /// Ends them. What is under way goes on at the next start.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

/// A pass, as it is told.
pub(super) fn told(record: &Record, now: Timestamp) -> api::Inspection {
    let sums = &record.sums;
    let (ending, fault) = match &record.ending {
        Ending::Open => ("open", None),
        Ending::Done => ("done", None),
        Ending::Failed(fault) => ("failed", Some(fault)),
    };
    let kind = |fault: &Fault| match fault {
        Fault::Worker(_) => "worker",
        Fault::Disk(_) => "disk",
        Fault::Index(_) => "index",
        Fault::Janitor(_) => "janitor",
    };
    api::Inspection {
        what: record.what.word().to_owned(),
        why: record.why.word().to_owned(),
        seconds_ago: record.at.age(now).as_ref().map(Duration::as_secs),
        took_milliseconds: record.took,
        files: sums.files,
        bytes_read: sums.bytes,
        orphans: sums.orphans,
        orphan_bytes: sums.orphan_bytes,
        left: sums.left,
        lost: sums.lost,
        mismatched: sums.mismatched,
        partials: sums.partials,
        fills: sums.fills,
        unreadable: sums.unreadable,
        foreign: sums.foreign,
        foreign_names: record.foreign_names.clone(),
        restarts: sums.restarts,
        ending: ending.to_owned(),
        fault: fault.map(|fault| kind(fault).to_owned()),
        reason: fault.map(ToString::to_string),
    }
}

/// What a person should know of the last pass of each kind.
pub(super) fn reasons(history: &[Record]) -> impl Iterator<Item = String> {
    let last = |what| history.iter().rev().find(|record| record.what == what);
    let last = What::ALL.into_iter().filter_map(last);
    last.filter(|record| record.is_alarming() || matches!(record.ending, Ending::Failed(_)))
        .map(|record| format!("the last inspection: {record}"))
}
