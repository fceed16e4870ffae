//! Which samples can be believed.
//!
//! A box that is short of memory reads half of a number, or reads it a minute before it reads the time; a driver's
//! counter wraps; a disk is replaced. What comes of that are the "millions of TB" that wake people. A sample is
//! believed if a sound box could have produced it; otherwise it is dropped, and the next one is measured from there.
//!
//! Promises: a rate is never above what the device can do, whatever the counters say; what is dropped changes no later
//! sample. Must not know: where readings come from, what is done with samples.

use std::{collections::BTreeMap, time::Duration};

use crate::rule::{Metric, Series};

/// How far the times at which two readings were taken may be from what is known of them, as a part of the time between.
const BLUR: f64 = 0.1;
/// Devices do a little more than they say: a link's speed does not count its framing.
const TOLERANCE: f64 = 1.1;
/// A counter that was so near to its end has wrapped, if it is small now.
const NEAR_THE_END: f64 = 0.99;

/// A number as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw {
    /// It is so now.
    Gauge(f64),
    /// So many since some time ago; what counts is the difference.
    Counter(u64),
}

/// What a probe has read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub series: Series,
    pub raw: Raw,
    /// The most that the device can do in a second, or that a gauge can be, where that is known better than
    /// [`Metric::bounds`] does.
    pub limit: Option<f64>,
}

/// When a reading was taken, by a clock that nobody sets: it began then and took so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    pub since_start: Duration,
    pub took: Duration,
}

/// Why a sample was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Implausible {
    NotANumber,
    /// Below or above what there can be.
    OutOfRange,
    /// The counter is smaller than it was: the device was replaced, or the reading is wrong.
    Backwards,
    /// The counter came to the end of its range and began anew.
    Wrapped,
    /// More in the time than the device can do.
    TooFast,
    /// Reading took so long that nobody knows when it was.
    Stalled,
}

impl Implausible {
    pub const ALL: [Self; 6] = [
        Self::NotANumber,
        Self::OutOfRange,
        Self::Backwards,
        Self::Wrapped,
        Self::TooFast,
        Self::Stalled,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::NotANumber => "not-a-number",
            Self::OutOfRange => "out-of-range",
            Self::Backwards => "backwards",
            Self::Wrapped => "wrapped",
            Self::TooFast => "too-fast",
            Self::Stalled => "stalled",
        }
    }
}

/// A counter's last reading.
#[derive(Clone, Copy, Debug)]
struct Mark {
    count: u64,
    at: Elapsed,
}

/// The gate. Remembers each counter's last reading, and how often it dropped what.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    marks: BTreeMap<Series, Mark>,
    dropped: BTreeMap<(Metric, Implausible), u64>,
}

impl Gate {
    /// The sample of a reading, if it can be believed. `None` for a counter's first reading, of which nothing follows.
    pub fn judge(&mut self, reading: &Reading, at: Elapsed) -> Result<Option<f64>, Implausible> {
        let sample = match reading.raw {
            Raw::Gauge(value) => gauge(reading, value).map(Some),
            Raw::Counter(count) => {
                let now = Mark { count, at };
                // Whatever comes of it, the next one is measured from here.
                let before = self.marks.insert(reading.series.clone(), now);
                before.map(|before| rate(reading, before, now)).transpose()
            }
        };
        if let Err(reason) = sample {
            *self.dropped.entry((reading.series.metric, reason)).or_default() += 1;
        }
        sample
    }

    /// How many samples of each metric were dropped, by reason.
    pub fn dropped(&self) -> impl Iterator<Item = (Metric, Implausible, u64)> {
        let dropped = self.dropped.iter();
        dropped.map(|((metric, reason), count)| (*metric, *reason, *count))
    }

    /// Forgets devices that are not there any more.
    pub fn keep_only(&mut self, mut is_there: impl FnMut(&Series) -> bool) {
        self.marks.retain(|series, _| is_there(series));
    }
}

fn gauge(reading: &Reading, value: f64) -> Result<f64, Implausible> {
    if !value.is_finite() {
        return Err(Implausible::NotANumber);
    }
    let (least, most) = reading.series.metric.bounds();
    if value < least || value > reading.limit.unwrap_or(most) {
        return Err(Implausible::OutOfRange);
    }
    Ok(value)
}

/// How many in a second.
fn rate(reading: &Reading, before: Mark, now: Mark) -> Result<f64, Implausible> {
    let Some(count) = now.count.checked_sub(before.count) else {
        return Err(backwards(before.count, now.count));
    };
    let between = now
        .at
        .since_start
        .saturating_sub(before.at.since_start)
        .as_secs_f64();
    let blur = (before.at.took + now.at.took).as_secs_f64();
    if between <= 0.0 || blur > between * BLUR {
        return Err(Implausible::Stalled);
    }
    let rate = count as f64 / between;
    let (_, most) = reading.series.metric.bounds();
    if rate > reading.limit.unwrap_or(most) * TOLERANCE {
        return Err(Implausible::TooFast);
    }
    Ok(rate)
}

fn backwards(before: u64, now: u64) -> Implausible {
    let wraps_at = |end: f64| {
        (before as f64) >= end * NEAR_THE_END
            && before as f64 <= end
            && (now as f64) < end * (1.0 - NEAR_THE_END)
    };
    if wraps_at(f64::from(u32::MAX)) || wraps_at(u64::MAX as f64) {
        Implausible::Wrapped
    } else {
        Implausible::Backwards
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: u64 = 10;
    /// A link of a gigabit: bytes in a second.
    const LINK: f64 = 125e6;

    fn counter(count: u64) -> Reading {
        Reading {
            series: Series::of(Metric::NetworkReceived, "eth0"),
            raw: Raw::Counter(count),
            limit: Some(LINK),
        }
    }

    fn at(seconds: u64) -> Elapsed {
        Elapsed {
            since_start: Duration::from_secs(seconds),
            took: Duration::from_millis(2),
        }
    }

    fn judged(counts: &[u64]) -> Vec<Result<Option<f64>, Implausible>> {
        let mut gate = Gate::default();
        let times = (0..).map(|tick| at(tick * TICK));
        let readings = counts.iter().map(|count| counter(*count));
        readings
            .zip(times)
            .map(|(reading, at)| gate.judge(&reading, at))
            .collect()
    }

    #[test]
    fn the_first_reading_of_a_counter_says_nothing_and_the_others_say_rates() {
        assert_eq!(judged(&[5_000_000, 15_000_000]), [Ok(None), Ok(Some(1e6))]);
    }

    #[test]
    fn what_goes_back_is_dropped_and_the_next_is_measured_from_there() {
        let judged = judged(&[1000, 2000, 500, 1500]);
        assert_eq!(judged[2], Err(Implausible::Backwards));
        assert_eq!(judged[3], Ok(Some(100.0)));
    }

    #[test]
    fn a_counter_of_32_or_64_bits_that_wraps_is_told_apart_from_one_that_is_wrong() {
        let end = u64::from(u32::MAX);
        assert_eq!(judged(&[end - 1000, 5000])[1], Err(Implausible::Wrapped));
        assert_eq!(judged(&[u64::MAX - 1000, 5000])[1], Err(Implausible::Wrapped));
        assert_eq!(judged(&[end / 2, 5000])[1], Err(Implausible::Backwards));
        assert_eq!(judged(&[end + 1000, 5000])[1], Err(Implausible::Backwards));
    }

    #[test]
    fn nothing_is_faster_than_its_link() {
        let second = LINK as u64 * TICK;
        let judged = judged(&[0, second, 3 * second, 3 * second + 10]);
        assert_eq!(judged[1], Ok(Some(LINK)));
        assert_eq!(judged[2], Err(Implausible::TooFast));
        assert_eq!(judged[3], Ok(Some(1.0)));
    }

    #[test]
    fn an_underflow_of_a_64_bit_difference_is_not_millions_of_terabytes() {
        let judged = judged(&[100, u64::MAX - 5, 200]);
        assert_eq!(judged[1], Err(Implausible::TooFast));
        assert_eq!(judged[2], Err(Implausible::Wrapped));
    }

    #[test]
    fn a_reading_that_took_long_is_of_no_known_time() {
        let mut gate = Gate::default();
        assert_eq!(gate.judge(&counter(0), at(0)), Ok(None));
        let stalled = Elapsed {
            took: Duration::from_secs(2),
            ..at(10)
        };
        assert_eq!(gate.judge(&counter(1000), stalled), Err(Implausible::Stalled));
        assert_eq!(
            gate.judge(&counter(2000), at(20)),
            Err(Implausible::Stalled),
            "it began there"
        );
        assert_eq!(gate.judge(&counter(3000), at(30)), Ok(Some(100.0)));
        // Twice at the same time.
        assert_eq!(gate.judge(&counter(3000), at(30)), Err(Implausible::Stalled));
        assert_eq!(
            gate.dropped().collect::<Vec<_>>(),
            [(Metric::NetworkReceived, Implausible::Stalled, 3)]
        );
    }

    #[test]
    fn a_part_is_not_more_than_the_whole() {
        let mut gate = Gate::default();
        let mut judge = |value, limit| {
            let reading = Reading {
                series: Series::alone(Metric::MemoryUsed),
                raw: Raw::Gauge(value),
                limit,
            };
            gate.judge(&reading, at(0))
        };
        assert_eq!(judge(0.99, None), Ok(Some(0.99)));
        assert_eq!(judge(1.01, None), Err(Implausible::OutOfRange));
        assert_eq!(judge(-0.01, None), Err(Implausible::OutOfRange));
        assert_eq!(judge(0.9, Some(0.8)), Err(Implausible::OutOfRange));
        assert_eq!(judge(f64::NAN, None), Err(Implausible::NotANumber));
        assert_eq!(judge(f64::INFINITY, None), Err(Implausible::NotANumber));
    }

    proptest! {
        #[test]
        fn whatever_is_read_a_rate_is_one_that_the_link_can_do(
            readings in prop::collection::vec((any::<u64>(), 0..100_000u64, 0..20_000u64), 1..50),
        ) {
            let mut gate = Gate::default();
            for (count, since_start, took) in readings {
                let at = Elapsed {
                    since_start: Duration::from_millis(since_start),
                    took: Duration::from_millis(took),
                };
                if let Ok(Some(rate)) = gate.judge(&counter(count), at) {
                    prop_assert!((0.0..=LINK * TOLERANCE).contains(&rate));
                }
            }
        }
    }
}
