//! From rules and samples to signals.
//!
//! Promises: each rule says something of each thing that it speaks of, and of those of which there is an incident even
//! when they are not measured any more. Must not know: what an incident goes through.

use std::{collections::BTreeSet, time::Duration};

use super::{Engine, Signal, Subject};
use crate::{
    clock::Timestamp,
    rule::{Label, Metric, Rule, Samples, Series, Terms, Verdict},
};

/// What is the same for all rules.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Samples older than this are not known.
    pub lapse: Duration,
    /// An incident is not told for so long, so that a deeper fault can be found.
    pub settle: Duration,
}

/// Judges all rules once.
pub fn judge(engine: &mut Engine, rules: &[Rule], samples: &impl Samples, timing: Timing, now: Timestamp) {
    let Timing { lapse, settle } = timing;
    for rule in rules {
        let terms = Terms {
            cause: rule.cause,
            severity: rule.severity,
            pending: rule.pending,
            keep: rule.keep,
            worse: rule.when.worse(),
            settle,
            lapse,
        };
        let measured = rule.when.labels(samples);
        let known = engine.things_of(&rule.name);
        let labels: BTreeSet<Label> = measured.into_iter().chain(known).collect();
        for label in labels {
            let subject = Subject {
                rule: rule.name.clone(),
                of: label.as_str().to_owned(),
            };
            engine.observe(&subject, terms, signal(rule, samples, &label, lapse, now), now);
        }
    }
    engine.keep_only(|subject| rules.iter().any(|rule| rule.name == subject.rule));
}

/// Whether a thing that is not measured may have been taken away: others of its kind are looked at. That nobody asks a
/// registry any more says nothing about it, and what there is one of is not gone, but not measured.
fn may_be_gone(rule: &Rule, samples: &impl Samples, of: &Label, lapse: Duration) -> bool {
    let metric = rule.when.metric();
    let is_looked_at = |other: &&Metric| other.kind() == metric.kind();
    let is_measured = |other: &Metric| {
        let labels = samples.labels(*other).into_iter();
        let mut series = labels.map(|of| Series { metric: *other, of });
        series.any(|series| samples.last(&series, lapse).is_some())
    };
    !of.as_str().is_empty()
        && metric.is_of_devices()
        && Metric::ALL.iter().filter(is_looked_at).any(is_measured)
}

fn signal(rule: &Rule, samples: &impl Samples, of: &Label, lapse: Duration, now: Timestamp) -> Signal {
    let value = match rule.when.judge(samples, of, lapse, now) {
        Verdict::Holds(value) => return Signal::Bad(value),
        Verdict::Unknown if may_be_gone(rule, samples, of, lapse) => return Signal::Missing,
        Verdict::Unknown => return Signal::Unknown,
        Verdict::DoesNot(value) => value,
    };
    match rule
        .clear
        .as_ref()
        .map(|clear| clear.judge(samples, of, lapse, now))
    {
        None | Some(Verdict::Holds(_)) => Signal::Fine(value),
        Some(Verdict::DoesNot(_)) => Signal::Between(value),
        Some(Verdict::Unknown) => Signal::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        alert::{Ending, Occasion},
        monitor::{Board, Elapsed, Raw, Reading},
        rule::{Metric, Series, builtin},
    };

    const INTERVAL: u64 = 10;
    const TIMING: Timing = Timing {
        lapse: Duration::from_secs(3 * INTERVAL),
        settle: Duration::from_secs(30),
    };

    /// A box that is measured, judged and told of.
    struct Site {
        board: Board,
        engine: Engine,
        rules: Vec<Rule>,
        now: Timestamp,
        rounds: u64,
        told: Vec<(Occasion, String)>,
    }

    impl Site {
        fn new() -> Self {
            Self {
                board: Board::default(),
                engine: Engine::default(),
                rules: builtin().expect("read"),
                now: Timestamp(1_800_000_000),
                rounds: 0,
                told: Vec::new(),
            }
        }

        fn round(&mut self, readings: &[Reading]) {
            self.now.0 += INTERVAL;
            self.rounds += 1;
            let at = Elapsed {
                since_start: Duration::from_secs(self.rounds * INTERVAL),
                took: Duration::from_millis(1),
            };
            self.board.take(readings, at, self.now);
            judge(&mut self.engine, &self.rules, &self.board, TIMING, self.now);
            for notice in self.engine.conclude(self.now) {
                self.told
                    .push((notice.occasion, notice.incident.subject.to_string()));
            }
        }
    }

    fn gauge(metric: Metric, of: &str, value: f64) -> Reading {
        Reading {
            series: Series::of(metric, of),
            raw: Raw::Gauge(value),
            limit: None,
        }
    }

    fn counter(metric: Metric, of: &str, count: u64, limit: f64) -> Reading {
        Reading {
            series: Series::of(metric, of),
            raw: Raw::Counter(count),
            limit: Some(limit),
        }
    }

    #[test]
    fn a_box_without_memory_for_ninety_minutes_tells_it_once_and_no_impossible_rate() {
        let mut site = Site::new();
        let mut random = fastrand::Rng::with_seed(283);
        for round in 0..900u64 {
            let is_short = (100..640).contains(&round);
            let is_absurd = is_short && round % 60 == 7;
            let part = if is_short { 0.97 } else { 0.4 };
            let pressure = if is_short { 0.6 } else { 0.0 };
            let wild = |random: &mut fastrand::Rng| random.u64(..);
            let readings = [
                gauge(Metric::MemoryUsed, "", if is_absurd { 1.8e19 } else { part }),
                gauge(
                    Metric::PressureMemory,
                    "",
                    if is_absurd { -1.0 } else { pressure },
                ),
                counter(
                    Metric::DiskRead,
                    "sda",
                    if is_absurd {
                        wild(&mut random)
                    } else {
                        round * 5_000_000
                    },
                    6e8,
                ),
                counter(
                    Metric::NetworkReceived,
                    "eth0",
                    if is_absurd {
                        wild(&mut random)
                    } else {
                        round * 9_000_000
                    },
                    125e6,
                ),
                counter(
                    Metric::DiskErrors,
                    "sda",
                    if is_absurd { wild(&mut random) } else { 0 },
                    1e6,
                ),
            ];
            site.round(&readings);
        }
        let memory = |occasion| (occasion, "memory-short".to_owned());
        assert_eq!(site.told, [memory(Occasion::Fired), memory(Occasion::Resolved)]);
        let rates = site
            .board
            .now()
            .filter_map(|now| Some((now.series, now.last?.value)));
        for (series, value) in rates {
            assert!(value < 1e7, "{series} {value}");
        }
        assert!(site.board.dropped().map(|(_, _, count)| count).sum::<u64>() >= 9 * 5);
    }

    #[test]
    fn an_incident_of_a_thing_that_is_gone_stays_until_something_is_known() {
        let mut site = Site::new();
        let down = gauge(Metric::UpstreamUp, "quay.io", 0.0);
        for _ in 0..60 {
            site.round(std::slice::from_ref(&down));
        }
        for _ in 0..600 {
            site.round(&[]);
        }
        assert_eq!(
            site.told,
            [(Occasion::Fired, "upstream-down(quay.io)".to_owned())]
        );
        for _ in 0..60 {
            site.round(&[gauge(Metric::UpstreamUp, "quay.io", 1.0)]);
        }
        assert_eq!(site.told.len(), 2);
    }

    #[test]
    fn a_rule_that_is_taken_out_takes_its_incidents_with_it_and_says_so() {
        let mut site = Site::new();
        let down = gauge(Metric::UpstreamUp, "quay.io", 0.0);
        for _ in 0..60 {
            site.round(std::slice::from_ref(&down));
        }
        site.rules.clear();
        site.round(std::slice::from_ref(&down));
        assert!(site.engine.views(site.now).is_empty());
        let quay = |occasion| (occasion, "upstream-down(quay.io)".to_owned());
        assert_eq!(site.told, [quay(Occasion::Fired), quay(Occasion::Resolved)]);
        let past = site.engine.past().last().expect("one that is over");
        assert_eq!(past.incident.ending, Ending::Unwatched);
    }

    #[test]
    fn a_thing_that_was_not_found_for_a_day_is_gone_and_told_so() {
        let mut site = Site::new();
        let failing = gauge(Metric::DiskFailing, "sdb", 1.0);
        let other = gauge(Metric::DiskBytesUsed, "", 0.5);
        let used = gauge(Metric::MemoryUsed, "", 0.99);
        let short = gauge(Metric::PressureMemory, "", 0.5);
        for _ in 0..60 {
            site.round(&[failing.clone(), used.clone(), short.clone()]);
        }
        let told = site.told.len();
        let sdb = |site: &Site| {
            let ended = site.told[told..].iter();
            ended
                .filter(|(occasion, _)| *occasion == Occasion::Resolved)
                .count()
        };
        let day = 86_400 / INTERVAL;
        // Nothing is read of any disk: nobody knows.
        for _ in 0..2 * day {
            site.round(&[]);
        }
        assert_eq!(sdb(&site), 0);
        for _ in 0..day - 10 {
            site.round(std::slice::from_ref(&other));
        }
        assert_eq!(sdb(&site), 0, "it is early to say");
        // It is switched off and on again.
        let written = serde_json::to_vec(&site.engine).expect("written");
        site.engine = serde_json::from_slice(&written).expect("read");
        // A month in a drawer, and a clock from 1970, are no time in which anybody looked.
        for jump in [30 * 86_400, 0] {
            site.now.0 = if jump > 0 { site.now.0 + jump } else { 1000 };
            site.round(std::slice::from_ref(&other));
            assert_eq!(sdb(&site), 0);
        }
        for _ in 0..10 {
            site.round(std::slice::from_ref(&other));
        }
        let last = site.told.last().expect("something was told");
        assert_eq!(last, &(Occasion::Resolved, "disk-failing(sdb)".to_owned()));
        let past = site.engine.past().last().expect("one that is over");
        assert_eq!(past.incident.ending, Ending::Gone);
        for _ in 0..day {
            site.round(std::slice::from_ref(&other));
        }
        let open: Vec<_> = site.engine.views(site.now);
        assert_eq!(open.len(), 1, "memory is not gone, but not measured: {open:?}");
    }
}
