//! The box watching itself: sampling, judging, keeping what was sampled.
//!
//! Promises: a round waits for no disk and no network, but for half a second to find out which process is to blame, once
//! per incident. Must not know: who is told, how.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{facts::Site, figures::Figured};
use crate::{
    alert::{Book, IncidentId, Letter, Notice, Timing, judge, receiver::Wellbeing},
    cache::SmallDatabase,
    clock::{Clock, Timestamp},
    config::{Config, Sampling, Scope, UpstreamConfig},
    heartbeat::Beat,
    monitor::{
        Sampler, Scarce, Settings, SharedBoard, culprit,
        history::{Chronicle, Limits, RedbShelf},
        probe,
    },
    rule::{Label, Metric, Rule, RuleName},
};

/// A sample that is older than so many rounds is none: some things are looked at every third.
const LAPSE: u32 = 4;
/// A round that was so many intervals ago says that nobody looks any more.
const SILENCE: u32 = 4;

pub(super) type History = Chronicle<RedbShelf>;

/// What it takes.
pub(super) struct Means<'a> {
    pub(super) site: &'a Arc<ArcSwap<Site>>,
    pub(super) database: SmallDatabase,
    /// Of the cache's disk, in bytes.
    pub(super) disk: u64,
    pub(super) pulse: &'a Pulse,
    pub(super) clock: &'a Clock,
    pub(super) board: &'a SharedBoard,
    pub(super) book: &'a Book,
    pub(super) figured: Figured,
}

/// The monitor at work.
pub(super) struct Monitoring {
    sampler: Sampler,
    pub(super) beat: Beat,
    board: SharedBoard,
    pub(super) history: Arc<History>,
}

/// Whether rounds are made.
#[derive(Clone)]
pub(super) struct Pulse {
    last: Arc<AtomicU64>,
    sampling: Sampling,
    clock: Clock,
}

impl Pulse {
    pub(super) fn new(sampling: Sampling, clock: &Clock) -> Self {
        Self {
            last: Arc::default(),
            sampling,
            clock: clock.clone(),
        }
    }

    pub(super) fn wellbeing(&self) -> Wellbeing {
        let last = Timestamp(self.last.load(Relaxed));
        match (last.age(self.clock.now()), self.sampling) {
            (Some(age), Sampling::Every(interval)) if age < interval * SILENCE => Wellbeing::Well,
            // Who does not look does not know.
            _ => Wellbeing::Doubtful,
        }
    }
}

impl Monitoring {
    /// Nothing, when it is off.
    pub(super) fn start(means: Means<'_>) -> io::Result<Option<Self>> {
        let config = means.site.load().config.clone();
        let Some(interval) = config.monitor.interval.interval() else {
            tracing::warn!(
                receivers = config.alert.receivers.len(),
                "the box does not look after itself: `monitor.interval` is \"off\", and nobody is told of anything"
            );
            return Ok(None);
        };
        let shelf = RedbShelf::new(means.database);
        let limits = Limits::of_disk(means.disk);
        let history = Arc::new(History::start(shelf, limits, means.clock.clone())?);
        let root = Path::new("/");
        let mut probes = probe::host(root, &config.data_dir);
        probes.push(probe::mirror(root, Arc::new(means.figured)));
        let settings = Settings {
            interval,
            clock: means.clock.clone(),
        };
        let beat = Beat::default();
        let (work, steps) = (beat.work(), beat.clone());
        let mut round = Round::new(means.site, means.board, means.book, &history, means.pulse);
        let sampler = Sampler::start(&settings, probes, means.board, move |done| {
            // As long as it samples there is another round to make.
            let _work = &work;
            round.done(done.at);
            steps.step();
        })?;
        Ok(Some(Self {
            sampler,
            beat,
            board: means.board.clone(),
            history,
        }))
    }

    /// Ends it, with what was gathered on the disk. Waits for the disk.
    pub(super) fn end(self) {
        drop(self.sampler);
        self.history.end(&self.board.lock());
    }
}

/// What follows from a round of samples.
pub(super) struct Round {
    site: Arc<ArcSwap<Site>>,
    board: SharedBoard,
    book: Book,
    history: Arc<History>,
    lapse: Duration,
    /// Who is to blame for incidents, as it was when they began.
    culprits: BTreeMap<IncidentId, Option<String>>,
    last: Arc<AtomicU64>,
}

impl Round {
    pub(super) fn new(
        site: &Arc<ArcSwap<Site>>,
        board: &SharedBoard,
        book: &Book,
        history: &Arc<History>,
        pulse: &Pulse,
    ) -> Self {
        Self {
            site: site.clone(),
            board: board.clone(),
            book: book.clone(),
            history: history.clone(),
            // Where nothing is sampled, there are no rounds.
            lapse: pulse.sampling.interval().unwrap_or_default() * LAPSE,
            culprits: BTreeMap::new(),
            last: pulse.last.clone(),
        }
    }

    pub(super) fn done(&mut self, now: Timestamp) {
        let site = self.site.load_full();
        let rules = &site.config.alert.rules;
        self.blame(rules, now);
        let timing = Timing {
            lapse: self.lapse,
            settle: site.config.alert.settle,
        };
        let mut board = self.board.lock();
        board.keep_only(|series| is_watched(series.metric, series.of.as_str(), &site.config));
        self.book.round(
            now,
            |engine| {
                judge(engine, rules, &*board, timing, now);
                engine.keep_only(|subject| {
                    let rule = rules.iter().find(|rule| rule.name == subject.rule);
                    rule.is_none_or(|rule| is_watched(rule.when.metric(), &subject.of, &site.config))
                });
            },
            |notice| letter(notice, rules, &self.culprits),
        );
        self.history.gather(&board, now);
        drop(board);
        self.last.store(now.0, Relaxed);
    }

    /// Finds out who is to blame for what fires and is not told yet. Once each, and before anybody is kept waiting.
    fn blame(&mut self, rules: &[Rule], now: Timestamp) {
        let open: Vec<(IncidentId, RuleName, bool)> = self.book.look(now, |views, _, _| {
            let open = views.iter().map(|view| {
                let is_new = view.incident.fired().is_some() && view.incident.told.is_none();
                (view.incident.id, view.incident.subject.rule.clone(), is_new)
            });
            open.collect()
        });
        self.culprits
            .retain(|id, _| open.iter().any(|(open, ..)| open == id));
        for (id, name, is_new) in open {
            if !is_new || self.culprits.contains_key(&id) {
                continue;
            }
            let rule = rules.iter().find(|rule| rule.name == name);
            let scarce = rule.and_then(|rule| Scarce::by(rule.when.metric()));
            let found = scarce.and_then(culprit).map(|found| found.to_string());
            self.culprits.insert(id, found);
        }
    }
}

/// Whether what is measured is still in the configuration. An open mirror may be asked for any upstream.
fn is_watched(metric: Metric, of: &str, config: &Config) -> bool {
    let label = |upstream: &UpstreamConfig| Label::new(upstream.name.as_str());
    let is_known = || {
        let mut all = config.upstreams.iter();
        all.any(|upstream| label(upstream).as_str() == of)
    };
    !metric.is_of_upstreams() || config.scope == Scope::Open || is_known()
}

fn letter(notice: Notice, rules: &[Rule], culprits: &BTreeMap<IncidentId, Option<String>>) -> Letter {
    let rule = rules
        .iter()
        .find(|rule| rule.name == notice.incident.subject.rule);
    let culprit = culprits.get(&notice.incident.id).cloned().flatten();
    match rule {
        Some(rule) => Letter::new(notice, rule, culprit),
        None => Letter::of_no_rule(notice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, FileChoice, Inputs};

    fn config(text: &str) -> Config {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("larder.toml");
        std::fs::write(&file, text).expect("a file");
        let inputs = Inputs {
            file: FileChoice::Named(file),
            environment: BTreeMap::new(),
        };
        config::load(&inputs).expect("a configuration").config
    }

    #[test]
    fn an_upstream_that_is_not_configured_any_more_is_not_watched() {
        let closed = config(
            "builtin_upstreams = false\ndefault_upstream = \"up.test\"\n[[upstream]]\nname = \"up.test\"\n",
        );
        assert!(is_watched(Metric::UpstreamUp, "up.test", &closed));
        assert!(!is_watched(Metric::UpstreamUp, "quay.io", &closed));
        assert!(!is_watched(Metric::UpstreamLeft, "quay.io", &closed));
        // Disks and links are not in the configuration; whether they are there is seen.
        assert!(is_watched(Metric::DiskFailing, "sdb", &closed));
        let open = config("open = true\n");
        assert!(is_watched(Metric::UpstreamUp, "registry.example.com", &open));
    }

    #[test]
    fn only_who_looks_knows_the_box_to_be_well() {
        let clock = Clock::system();
        let every = Sampling::Every(Duration::from_secs(10));
        for (sampling, after_a_round) in [(every, Wellbeing::Well), (Sampling::Off, Wellbeing::Doubtful)] {
            let pulse = Pulse::new(sampling, &clock);
            assert_eq!(pulse.wellbeing(), Wellbeing::Doubtful, "nobody has looked yet");
            pulse.last.store(clock.now().0, Relaxed);
            assert_eq!(pulse.wellbeing(), after_a_round);
        }
    }
}
