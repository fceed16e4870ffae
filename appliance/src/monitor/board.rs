//! What was sampled lately, of everything.
//!
//! Promises: memory is bounded by [`MOST`] series; a thing that is not measured any more is forgotten after an hour.
//! Must not know: how often things are measured, what is bad.

use std::{collections::BTreeMap, ops::RangeInclusive, time::Duration};

use super::{
    gate::{Elapsed, Gate, Implausible, Reading},
    ring::{Point, Ring},
};
use crate::{
    clock::Timestamp,
    rule::{Label, Metric, Samples, Series},
};

/// The most series. A box has about a hundred; one with very many interfaces or upstreams is watched as far as this.
const MOST: usize = 256;
/// What was not sampled for so long is not there any more.
const GONE: Duration = Duration::from_secs(3600);

/// A series on the board.
#[derive(Debug, Default)]
struct Line {
    ring: Ring,
    /// When something was read of it first.
    began: Timestamp,
    /// When something was read of it last, believable or not, and when the last sample was taken: since the start, by
    /// the clock that nobody sets.
    read: Duration,
    sampled: Duration,
    /// Why the last reading was dropped, if it was.
    dropped: Option<Implausible>,
}

impl Line {
    /// How long its readings could not be believed.
    fn blind(&self, now: Timestamp) -> Duration {
        if self.dropped.is_none() {
            return Duration::ZERO;
        }
        let since = self.ring.last().map_or(self.began, |last| last.at);
        since.age(now).unwrap_or_default()
    }
}

/// A series as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Now {
    pub series: Series,
    /// The last sample that could be believed.
    pub last: Option<Point>,
    /// Why the reading after it was dropped.
    pub dropped: Option<Implausible>,
}

/// The board.
#[derive(Debug, Default)]
pub struct Board {
    gate: Gate,
    /// When anything was read last, since the start.
    latest: Duration,
    lines: BTreeMap<Series, Box<Line>>,
}

impl Board {
    /// Takes what a probe has read.
    pub fn take(&mut self, readings: &[Reading], at: Elapsed, now: Timestamp) {
        self.latest = self.latest.max(at.since_start);
        for reading in readings {
            let judged = self.gate.judge(reading, at);
            let is_full = self.lines.len() >= MOST;
            let line = match self.lines.get_mut(&reading.series) {
                Some(line) => line,
                None if is_full => continue,
                None => self.lines.entry(reading.series.clone()).or_insert_with(|| {
                    Box::new(Line {
                        began: now,
                        ..Line::default()
                    })
                }),
            };
            line.read = at.since_start;
            line.dropped = judged.err();
            if let Ok(Some(sample)) = judged {
                line.sampled = at.since_start;
                line.ring.push(now, sample);
            }
        }
    }

    /// Forgets what is not there any more. For every few minutes.
    pub fn tidy(&mut self) {
        let latest = self.latest;
        self.lines
            .retain(|_, line| latest.saturating_sub(line.read) < GONE);
        let lines = &self.lines;
        self.gate.keep_only(|series| lines.contains_key(series));
    }

    /// Forgets what nobody watches any more.
    pub fn keep_only(&mut self, mut is_watched: impl FnMut(&Series) -> bool) {
        self.lines.retain(|series, _| is_watched(series));
    }

    /// All series as they are now, in the order of their names.
    pub fn now(&self) -> impl Iterator<Item = Now> {
        self.lines.iter().map(|(series, line)| Now {
            series: series.clone(),
            last: line.ring.last(),
            dropped: line.dropped,
        })
    }

    /// What each series was lately.
    pub(super) fn rings(&self) -> impl Iterator<Item = (&Series, &Ring)> {
        self.lines.iter().map(|(series, line)| (series, &line.ring))
    }

    /// A series since a time, the oldest first.
    pub fn points(&self, series: &Series, from: Timestamp) -> Vec<Point> {
        let line = self.lines.get(series);
        line.map_or_else(Vec::new, |line| line.ring.since(from).collect())
    }

    /// Per metric that is read, how long there was no sample of something that could be believed. Zero: all is well.
    pub fn sight(&self, now: Timestamp) -> impl Iterator<Item = (Metric, Duration)> {
        let mut lines = self.lines.iter().peekable();
        std::iter::from_fn(move || {
            let (series, line) = lines.next()?;
            let metric = series.metric;
            let mut longest = line.blind(now);
            while let Some((_, line)) = lines.next_if(|(series, _)| series.metric == metric) {
                longest = longest.max(line.blind(now));
            }
            Some((metric, longest))
        })
    }

    /// How many samples were dropped, by metric and reason.
    pub fn dropped(&self) -> impl Iterator<Item = (Metric, Implausible, u64)> {
        self.gate.dropped()
    }
}

impl Samples for Board {
    fn labels(&self, metric: Metric) -> Vec<Label> {
        let from = Series::alone(metric);
        let of = self
            .lines
            .range(from..)
            .take_while(|(series, _)| series.metric == metric);
        of.map(|(series, _)| series.of.clone()).collect()
    }

    fn last(&self, series: &Series, lapse: Duration) -> Option<f64> {
        let line = self.lines.get(series)?;
        let is_recent = self.latest.saturating_sub(line.sampled) <= lapse;
        let last = line.ring.last().filter(|_| is_recent)?;
        Some(f64::from(last.value))
    }

    fn within(&self, series: &Series, time: RangeInclusive<Timestamp>) -> Vec<f64> {
        let mut points = self.points(series, *time.start());
        points.retain(|point| point.at <= *time.end());
        points.iter().map(|point| f64::from(point.value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Raw;

    fn at(seconds: u64) -> Elapsed {
        Elapsed {
            since_start: Duration::from_secs(seconds),
            took: Duration::ZERO,
        }
    }

    fn gauge(metric: Metric, of: &str, value: f64) -> Reading {
        Reading {
            series: Series::of(metric, of),
            raw: Raw::Gauge(value),
            limit: None,
        }
    }

    #[test]
    fn what_cannot_be_believed_leaves_the_last_sample_and_its_age() {
        let mut board = Board::default();
        let memory = Series::alone(Metric::MemoryUsed);
        let mut take = |value, now| {
            board.take(&[gauge(Metric::MemoryUsed, "", value)], at(now), Timestamp(now));
        };
        take(0.5, 100);
        take(7e22, 110);
        let lapse = Duration::from_secs(30);
        assert_eq!(board.last(&memory, lapse), Some(0.5));
        assert_eq!(
            board.now().next().and_then(|now| now.dropped),
            Some(Implausible::OutOfRange)
        );
        assert_eq!(board.dropped().count(), 1);
        // The clock is set back; a minute passes all the same.
        board.take(&[], at(140), Timestamp(7));
        assert_eq!(board.last(&memory, lapse), None);
        assert_eq!(board.within(&memory, Timestamp(0)..=Timestamp(7)), [] as [f64; 0]);
        assert_eq!(board.within(&memory, Timestamp(0)..=Timestamp(140)), [0.5]);
    }

    #[test]
    fn it_is_known_for_how_long_nothing_of_a_metric_could_be_believed() {
        let mut board = Board::default();
        let mut take = |metric, of, value, now| {
            board.take(&[gauge(metric, of, value)], at(now), Timestamp(now));
            let sight = board.sight(Timestamp(now));
            sight
                .map(|(metric, blind)| (metric, blind.as_secs()))
                .collect::<Vec<_>>()
        };
        assert_eq!(take(Metric::Load, "", 1.0, 0), [(Metric::Load, 0)]);
        assert_eq!(
            take(Metric::LinkUp, "eth0", 7.0, 10),
            [(Metric::Load, 0), (Metric::LinkUp, 0)]
        );
        take(Metric::LinkUp, "eth1", 1.0, 20);
        assert_eq!(
            take(Metric::LinkUp, "eth0", 7.0, 40),
            [(Metric::Load, 0), (Metric::LinkUp, 30)],
            "never, since it began"
        );
        take(Metric::LinkUp, "eth0", 1.0, 50);
        take(Metric::LinkUp, "eth0", 7.0, 60);
        assert_eq!(
            take(Metric::Load, "", 1.0, 65),
            [(Metric::Load, 0), (Metric::LinkUp, 15)]
        );
        assert_eq!(
            take(Metric::LinkUp, "eth0", 0.0, 70),
            [(Metric::Load, 0), (Metric::LinkUp, 0)],
            "it is over"
        );
    }

    #[test]
    fn what_is_not_there_any_more_is_forgotten() {
        let mut board = Board::default();
        board.take(
            &[
                gauge(Metric::LinkUp, "usb0", 1.0),
                gauge(Metric::LinkUp, "eth0", 1.0),
            ],
            at(0),
            Timestamp(0),
        );
        board.take(&[gauge(Metric::LinkUp, "eth0", 1.0)], at(4000), Timestamp(4000));
        board.tidy();
        assert_eq!(board.labels(Metric::LinkUp), [Label::new("eth0")]);
        assert_eq!(board.labels(Metric::LinkUp).len(), 1);
        assert_eq!(board.labels(Metric::NetworkReceived), []);
    }

    #[test]
    fn there_is_an_end_to_what_is_watched() {
        let mut board = Board::default();
        for number in 0..1000 {
            board.take(
                &[gauge(Metric::LinkUp, &number.to_string(), 1.0)],
                at(0),
                Timestamp(0),
            );
        }
        assert_eq!(board.labels(Metric::LinkUp).len(), MOST);
    }
}
