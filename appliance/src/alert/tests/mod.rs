//! Hours of samples, in milliseconds.

mod outage;
mod posting;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Timestamp,
    rule::{Cause, Direction, RuleName, Severity, Terms},
};

const INTERVAL: u64 = 10;

fn terms(cause: Cause, severity: Severity) -> Terms {
    Terms {
        cause,
        severity,
        pending: Duration::from_secs(60),
        keep: Duration::from_secs(120),
        worse: Direction::Up,
        settle: Duration::from_secs(30),
        lapse: Duration::from_secs(30),
    }
}

fn subject(rule: &str, of: &str) -> Subject {
    Subject {
        rule: RuleName(rule.to_owned()),
        of: of.to_owned(),
    }
}

/// A box over time. Whatever is told is collected, by occasion and rule.
struct Site {
    engine: Engine,
    now: Timestamp,
    told: Vec<(Occasion, String)>,
}

impl Site {
    fn new() -> Self {
        Self {
            engine: Engine::default(),
            now: Timestamp(1_800_000_000),
            told: Vec::new(),
        }
    }

    /// One round.
    fn round(&mut self, signals: &[(&Subject, Terms, Signal)]) {
        self.now.0 += INTERVAL;
        for (subject, terms, signal) in signals {
            self.engine.observe(subject, *terms, *signal, self.now);
        }
        for notice in self.engine.conclude(self.now) {
            self.told
                .push((notice.occasion, notice.incident.subject.to_string()));
        }
    }

    fn rounds(&mut self, seconds: u64, signals: &[(&Subject, Terms, Signal)]) {
        for _ in 0..seconds / INTERVAL {
            self.round(signals);
        }
    }

    /// Another process goes on with what was written down.
    fn restart(&mut self, away: u64) {
        let written = serde_json::to_string(&self.engine).expect("written");
        self.engine = serde_json::from_str(&written).expect("read");
        self.now.0 += away;
    }

    fn told(&mut self) -> Vec<(Occasion, String)> {
        std::mem::take(&mut self.told)
    }
}

fn fired(rule: &str) -> (Occasion, String) {
    (Occasion::Fired, rule.to_owned())
}

fn resolved(rule: &str) -> (Occasion, String) {
    (Occasion::Resolved, rule.to_owned())
}

#[test]
fn ninety_minutes_without_memory_are_one_message_and_one_when_it_is_over() {
    let mut site = Site::new();
    let memory = subject("memory", "");
    let terms = terms(Cause::Memory, Severity::Critical);
    for round in 0..540 {
        // One sample in sixty was dropped as absurd; a few are missing in a row.
        let is_missing = round % 60 == 7 || (200..230).contains(&round);
        let signal = if is_missing {
            Signal::Unknown
        } else {
            Signal::Bad(0.99)
        };
        site.round(&[(&memory, terms, signal)]);
        if round == 300 {
            site.restart(90);
        }
    }
    assert_eq!(site.told(), [fired("memory")]);
    site.rounds(600, &[(&memory, terms, Signal::Fine(0.5))]);
    assert_eq!(site.told(), [resolved("memory")]);
    assert_eq!(site.engine.past().len(), 1);
    site.rounds(86_400, &[(&memory, terms, Signal::Fine(0.5))]);
    assert_eq!(site.told(), []);
}

#[test]
fn what_lasts_too_short_is_not_told() {
    let mut site = Site::new();
    let load = subject("load", "");
    let terms = terms(Cause::Load, Severity::Warning);
    for _ in 0..100 {
        site.rounds(50, &[(&load, terms, Signal::Bad(9.0))]);
        site.rounds(10, &[(&load, terms, Signal::Between(6.0))]);
    }
    assert_eq!(site.told(), []);
}

#[test]
fn time_without_samples_counts_neither_for_the_beginning_nor_for_the_end() {
    let mut site = Site::new();
    let load = subject("load", "");
    let terms = terms(Cause::Load, Severity::Warning);
    let (bad, fine) = (Signal::Bad(9.0), Signal::Fine(1.0));
    site.rounds(30, &[(&load, terms, bad)]);
    site.restart(3600);
    site.rounds(30, &[(&load, terms, bad)]);
    assert_eq!(
        site.engine.views(site.now)[0].incident.fired(),
        None,
        "pending still"
    );
    site.rounds(70, &[(&load, terms, bad)]);
    assert_eq!(site.told(), [fired("load")]);
    site.rounds(60, &[(&load, terms, fine)]);
    site.rounds(3600, &[(&load, terms, Signal::Unknown)]);
    site.rounds(30, &[(&load, terms, fine)]);
    assert_eq!(site.told(), [], "nobody knows what was in between");
    site.rounds(90, &[(&load, terms, fine)]);
    assert_eq!(site.told(), [resolved("load")]);
}

#[test]
fn a_cause_is_told_and_its_thirteen_symptoms_are_not() {
    let mut site = Site::new();
    let network = (subject("wan", ""), terms(Cause::Network, Severity::Critical));
    let upstreams: Vec<_> = (0..13)
        .map(|n| {
            (
                subject("upstream", &format!("registry-{n}")),
                terms(Cause::Upstream, Severity::Warning),
            )
        })
        .collect();
    let rounds = |site: &mut Site, seconds, network_is: Signal, upstreams_are: Signal| {
        let mut signals = vec![(&network.0, network.1, network_is)];
        signals.extend(upstreams.iter().map(|(of, terms)| (of, *terms, upstreams_are)));
        site.rounds(seconds, &signals);
    };
    let (bad, fine) = (Signal::Bad(1.0), Signal::Fine(0.0));
    // The symptoms are seen before the cause.
    rounds(&mut site, 20, fine, bad);
    rounds(&mut site, 3600, bad, bad);
    site.restart(120);
    rounds(&mut site, 3600, bad, bad);
    assert_eq!(site.told(), [fired("wan")]);
    let inhibited =
        |view: &View<'_>| matches!(&view.overlay, Some(Overlay::Inhibited(by)) if by == &network.0);
    assert_eq!(
        site.engine
            .views(site.now)
            .iter()
            .filter(|view| inhibited(view))
            .count(),
        13
    );
    // The cause ends first.
    rounds(&mut site, 20, fine, bad);
    rounds(&mut site, 600, fine, fine);
    assert_eq!(site.told(), [resolved("wan")]);
}

#[test]
fn a_symptom_that_outlives_its_cause_is_told_then() {
    let mut site = Site::new();
    let (network, upstream) = (subject("wan", ""), subject("upstream", "a"));
    let of = (
        terms(Cause::Network, Severity::Critical),
        terms(Cause::Upstream, Severity::Warning),
    );
    let (bad, fine) = (Signal::Bad(1.0), Signal::Fine(0.0));
    site.rounds(600, &[(&network, of.0, bad), (&upstream, of.1, bad)]);
    site.rounds(600, &[(&network, of.0, fine), (&upstream, of.1, bad)]);
    assert_eq!(site.told(), [fired("wan"), resolved("wan"), fired("upstream(a)")]);
    site.rounds(600, &[(&upstream, of.1, fine)]);
    assert_eq!(site.told(), [resolved("upstream(a)")]);
}

#[test]
fn of_two_rules_about_the_same_the_graver_speaks() {
    let mut site = Site::new();
    let (low, none) = (subject("room-low", "bytes"), subject("room-none", "bytes"));
    let inodes = subject("room-low", "inodes");
    let (warning, critical) = (
        terms(Cause::Room, Severity::Warning),
        terms(Cause::Room, Severity::Critical),
    );
    let bad = Signal::Bad(1.0);
    let signals = [
        (&low, warning, bad),
        (&none, critical, bad),
        (&inodes, warning, bad),
    ];
    site.rounds(600, &signals);
    assert_eq!(
        site.told(),
        [fired("room-none(bytes)"), fired("room-low(inodes)")]
    );
}

#[test]
fn what_comes_and_goes_is_told_less_and_less() {
    let mut site = Site::new();
    let link = subject("link", "eth0");
    let terms = terms(Cause::Network, Severity::Warning);
    for _ in 0..72 {
        // Bad for two minutes, fine for three, for six hours.
        site.rounds(120, &[(&link, terms, Signal::Bad(1.0))]);
        site.rounds(180, &[(&link, terms, Signal::Fine(0.0))]);
    }
    let told = site.told();
    assert!(told.len() <= 6, "{told:?}");
    assert!(site.engine.views(site.now)[0].flapping);
    site.rounds(2 * 3600, &[(&link, terms, Signal::Fine(0.0))]);
    assert_eq!(site.told(), [resolved("link(eth0)")], "and its end");
}

#[test]
fn reminders_grow_apart_and_end_when_somebody_takes_care() {
    let mut site = Site::new();
    let disk = subject("disk", "sda");
    let terms = terms(Cause::Disk, Severity::Critical);
    let bad = [(&disk, terms, Signal::Bad(1.0))];
    let mut at = Vec::new();
    site.rounds(200, &bad);
    assert_eq!(site.told(), [fired("disk(sda)")]);
    for hour in 1..=96 {
        site.rounds(3600, &bad);
        at.extend(site.told().iter().map(|_| hour));
    }
    assert_eq!(at, [4, 12, 36, 60, 84]);
    let id = site.engine.views(site.now)[0].incident.id;
    assert!(site.engine.acknowledge(id, "ada"));
    assert!(!site.engine.acknowledge(IncidentId(99), "ada"));
    site.rounds(96 * 3600, &bad);
    assert_eq!(site.told(), []);
    site.rounds(600, &[(&disk, terms, Signal::Fine(0.0))]);
    assert_eq!(site.told(), [resolved("disk(sda)")]);
}

#[test]
fn what_is_silenced_is_told_when_the_silence_ends_if_it_lasts() {
    let mut site = Site::new();
    let (disk, link) = (subject("disk", "sda"), subject("link", "eth0"));
    let (of_disk, of_link) = (
        terms(Cause::Disk, Severity::Critical),
        terms(Cause::Network, Severity::Warning),
    );
    let until = Timestamp(site.now.0 + 3600);
    site.engine
        .silences
        .add("*", "*", until, "moving house", site.now)
        .expect("room");
    let (bad, fine) = (Signal::Bad(1.0), Signal::Fine(0.0));
    site.rounds(600, &[(&disk, of_disk, bad), (&link, of_link, bad)]);
    site.rounds(600, &[(&disk, of_disk, bad), (&link, of_link, fine)]);
    assert!(matches!(
        site.engine.views(site.now)[0].overlay,
        Some(Overlay::Silenced(1))
    ));
    assert_eq!(site.told(), []);
    site.rounds(3600, &[(&disk, of_disk, bad), (&link, of_link, fine)]);
    assert_eq!(site.told(), [fired("disk(sda)")], "the other has ended unheard");
}

#[test]
fn there_is_an_end_to_what_is_followed() {
    let mut site = Site::new();
    let of = terms(Cause::Upstream, Severity::Warning);
    let subjects: Vec<_> = (0..1000).map(|n| subject("upstream", &n.to_string())).collect();
    for subject in &subjects {
        site.round(&[(subject, of, Signal::Bad(1.0))]);
    }
    assert_eq!(site.engine.views(site.now).len(), 256);
    site.engine.keep_only(|subject| subject.of == "7");
    assert_eq!(site.engine.views(site.now).len(), 1);
}

fn signal() -> impl Strategy<Value = Signal> {
    prop_oneof![
        4 => Just(Signal::Bad(2.0)),
        1 => Just(Signal::Between(1.0)),
        4 => Just(Signal::Fine(0.0)),
        2 => Just(Signal::Unknown),
    ]
}

proptest! {
    /// Whatever happens: messages of one subject alternate, each ending belongs to the beginning before it, and what
    /// fires unhindered for long is told.
    #[test]
    fn beginnings_and_ends_alternate(
        runs in prop::collection::vec((signal(), signal(), 1..200u64, any::<bool>()), 1..40),
    ) {
        let mut site = Site::new();
        let (cause, symptom) = (subject("wan", ""), subject("upstream", "a"));
        let of = (terms(Cause::Network, Severity::Critical), terms(Cause::Upstream, Severity::Warning));
        let mut open = std::collections::BTreeMap::new();
        for (first, second, rounds, restarts) in runs {
            for _ in 0..rounds {
                site.now.0 += INTERVAL;
                site.engine.observe(&cause, of.0, first, site.now);
                site.engine.observe(&symptom, of.1, second, site.now);
                for notice in site.engine.conclude(site.now) {
                    let incident = notice.incident;
                    match notice.occasion {
                        Occasion::Fired => {
                            prop_assert!(open.insert(incident.subject, incident.id).is_none());
                        }
                        Occasion::Reminder => {
                            prop_assert_eq!(open.get(&incident.subject), Some(&incident.id));
                        }
                        Occasion::Resolved => {
                            prop_assert_eq!(open.remove(&incident.subject), Some(incident.id));
                        }
                    }
                }
                for view in site.engine.views(site.now) {
                    let is_told = view.incident.told.is_some();
                    prop_assert_eq!(is_told, open.contains_key(&view.incident.subject));
                }
            }
            if restarts {
                site.restart(rounds);
            }
        }
        let bad = Signal::Bad(2.0);
        site.rounds(3600, &[(&cause, of.0, bad), (&symptom, of.1, bad)]);
        site.told();
        let views = site.engine.views(site.now);
        let told = |of: &Subject| views.iter().any(|view| view.incident.subject == *of && view.incident.told.is_some());
        prop_assert!(told(&cause));
    }
}
