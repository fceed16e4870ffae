//! The inspections of this box: their means, and their words.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use super::{collecting::is_open, facts::Site};
use crate::{
    api,
    cache::Cache,
    clock::{Clock, Timestamp},
    config::Config,
    heartbeat::Beat,
    inspection::{Ending, Fault, Inspector, Record, Settings, What, Why},
    janitor::Supervisor,
    mirror::Mirror,
    pause::Pause,
};

/// Inspections, and what ends with them.
pub(super) struct Inspecting {
    pub(super) inspector: Inspector,
    pub(super) beat: Beat,
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
        pause: &Pause,
    ) -> Self {
        let beat = Beat::default();
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
            beat: beat.clone(),
            pause: pause.clone(),
            ..Settings::new(clock.clone(), config.data_dir.join("inspection.json"))
        };
        let hands = Arc::new(janitor.clone());
        let (inspector, task) = Inspector::start(cache.clone(), Arc::new(janitor.clone()), hands, settings);
        Self {
            inspector,
            beat,
            task,
        }
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
        shown: sums.shown,
        hidden: sums.hidden,
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
pub(super) fn reasons(history: &[Record]) -> Vec<String> {
    let last = What::ALL.into_iter().filter_map(|what| {
        let of_kind = |record: &Record| record.what == what;
        let at = history.iter().rposition(of_kind)?;
        reason(&history[at], &history[at + 1..])
    });
    last.collect()
}

fn reason(record: &Record, later: &[Record]) -> Option<String> {
    let failed = matches!(record.ending, Ending::Failed(_));
    if record.what != What::Recovery {
        return (failed || record.is_alarming()).then(|| format!("the last inspection: {record}"));
    }
    let finds = record.why == Why::Loss || record.sums.shown + record.sums.hidden > 0;
    if record.ending == Ending::Open && finds {
        return Some(format!("the list of what is here is being made anew: {record}"));
    }
    // A scan has looked at all again.
    let is_past = later
        .iter()
        .any(|later| later.what == What::Scan && later.ending == Ending::Done);
    let is_told = failed || (record.is_alarming() && !is_past);
    is_told.then(|| format!("bringing files and list together: {record}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspection::Sums;

    fn record(what: What, why: Why, ending: Ending, sums: Sums) -> Record {
        Record {
            what,
            why,
            at: Timestamp(1),
            took: 0,
            sums,
            foreign_names: Vec::new(),
            ending,
        }
    }

    #[test]
    fn a_recovery_is_told_while_it_matters() {
        let (start, loss) = (Why::Start, Why::Loss);
        let hidden = Sums {
            hidden: 1,
            ..Sums::default()
        };
        let lost = Sums {
            lost: 1,
            ..Sums::default()
        };
        let failed = || Ending::Failed(Fault::Worker("it hangs".to_owned()));
        for (why, ending, sums, told) in [
            (start, Ending::Open, Sums::default(), None),
            (start, Ending::Open, hidden, Some("is being made anew")),
            (loss, Ending::Open, Sums::default(), Some("is being made anew")),
            (loss, Ending::Done, hidden, None),
            (start, Ending::Done, lost, Some("1 blobs lost their file")),
            (start, failed(), Sums::default(), Some("it hangs")),
        ] {
            let history = [record(What::Recovery, why, ending, sums)];
            let reasons = reasons(&history);
            match told {
                None => assert_eq!(reasons, [""; 0], "{history:?}"),
                Some(words) => assert!(reasons[0].contains(words), "{reasons:?}"),
            }
        }
        let mut history = vec![
            record(What::Recovery, start, Ending::Done, lost),
            record(What::Scan, Why::Schedule, Ending::Done, Sums::default()),
        ];
        assert_eq!(reasons(&history), [""; 0], "all was looked at since");
        history[0].ending = failed();
        assert_eq!(reasons(&history).len(), 1);
    }
}
