//! When a resource will run out at this rate.
//!
//! A straight line by least squares through what has come in during a sliding window, for bytes and for
//! inodes. What the collector took away is told ([`Forecast::collected`]) and added back, so that its work is
//! not mistaken for the filling having stopped.
//!
//! Promises: bounded memory; no answer rather than a wild one. Must not know: clocks, what is to be done.

use std::{collections::VecDeque, fmt, time::Duration};

use super::amount::Amount;
use crate::clock::Timestamp;

/// Samples kept at most. Two that follow one another are more than half of a spacing apart, which is the
/// window by half of this number; so the window always fits.
const SAMPLES: usize = 128;

/// A line needs so many: through two, any jump is a trend.
const FEWEST: usize = 4;

/// What came in up to a time, counted from an arbitrary start.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Timestamp,
    bytes: f64,
    inodes: f64,
}

/// How fast something grows, per second.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    pub const fn per_second(self) -> f64 {
        self.0
    }
}

/// When a mark will be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// There is no mark: the filesystem has no limit on this.
    NoLimit,
    /// Too little is known.
    Unknown,
    /// It does not grow.
    Never,
    /// It is reached.
    Reached,
    In(Duration),
}

impl Until {
    /// Whether it will be within such a time.
    pub fn within(self, time: Duration) -> bool {
        match self {
            Self::Reached => true,
            Self::In(left) => left <= time,
            Self::NoLimit | Self::Unknown | Self::Never => false,
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLimit => f.write_str("no limit"),
            Self::Unknown => f.write_str("not known yet"),
            Self::Never => f.write_str("not at this rate"),
            Self::Reached => f.write_str("now"),
            Self::In(left) => match left.as_secs() {
                seconds @ ..120 => write!(f, "in {seconds} s"),
                seconds @ ..7200 => write!(f, "in {} min", seconds / 60),
                seconds @ ..172_800 => write!(f, "in {} h", seconds / 3600),
                seconds => write!(f, "in {} d", seconds / 86_400),
            },
        }
    }
}

/// When each resource will reach its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    pub bytes: Until,
    pub inodes: Until,
}

/// The samples of a window.
#[derive(Clone, Debug)]
pub struct Forecast {
    window: Duration,
    samples: VecDeque<Sample>,
    used: Amount,
    collected: Amount,
}

impl Forecast {
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            samples: VecDeque::with_capacity(SAMPLES + 1),
            used: Amount::NOTHING,
            collected: Amount::NOTHING,
        }
    }

    /// So much is used now.
    pub fn observe(&mut self, now: Timestamp, used: Amount) {
        self.used = used;
        // A clock that went back is a clock that was set anew: what was seen before says nothing.
        if self.samples.back().is_some_and(|last| last.at > now) {
            self.samples.clear();
        }
        let came = used + self.collected;
        let sample = Sample {
            at: now,
            bytes: came.bytes as f64,
            inodes: came.inodes as f64,
        };
        let spacing = self.window.as_secs() / (SAMPLES as u64 / 2);
        // Measured from the one before the last, or samples that come fast would push the last one on for ever.
        let before_last = self.samples.len().checked_sub(2).map(|at| self.samples[at].at);
        if before_last.is_some_and(|before| now.0 - before.0 <= spacing)
            || self.samples.back().is_some_and(|last| last.at == now)
        {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        while self.samples.len() > SAMPLES
            || self
                .samples
                .front()
                .is_some_and(|first| now.0 - first.at.0 > self.window.as_secs())
        {
            self.samples.pop_front();
        }
    }

    /// The collector freed so much since the last observation.
    pub fn collected(&mut self, freed: Amount) {
        self.collected += freed;
    }

    /// How fast bytes and inodes come in. None: too little is known.
    pub fn rates(&self) -> Option<(Rate, Rate)> {
        let first = self.samples.front().filter(|_| self.samples.len() >= FEWEST)?;
        // Counted from the first sample: large numbers would swallow small differences.
        let seconds = |sample: &Sample| (sample.at.0 - first.at.0) as f64;
        let count = self.samples.len() as f64;
        let middle = self.samples.iter().map(seconds).sum::<f64>() / count;
        let spread: f64 = self.samples.iter().map(|s| (seconds(s) - middle).powi(2)).sum();
        if spread <= 0.0 {
            return None;
        }
        let slope = |value: fn(&Sample) -> f64| {
            let sum: f64 = self
                .samples
                .iter()
                .map(|s| (seconds(s) - middle) * (value(s) - value(first)))
                .sum();
            Rate(sum / spread)
        };
        Some((slope(|s| s.bytes), slope(|s| s.inodes)))
    }

    /// When the marks will be reached. A mark of 0: there is no limit.
    pub fn outlook(&self, mark: Amount) -> Outlook {
        let rates = self.rates();
        let bytes = rates.map(|(bytes, _)| bytes);
        let inodes = rates.map(|(_, inodes)| inodes);
        Outlook {
            bytes: until(self.used.bytes, mark.bytes, bytes),
            inodes: until(self.used.inodes, mark.inodes, inodes),
        }
    }
}

fn until(used: u64, mark: u64, rate: Option<Rate>) -> Until {
    match (mark, rate) {
        (0, _) => Until::NoLimit,
        (mark, _) if used >= mark => Until::Reached,
        (_, None) => Until::Unknown,
        (_, Some(Rate(rate))) if rate <= 0.0 => Until::Never,
        (mark, Some(Rate(rate))) => {
            // Beyond a thousand years is never, and would not fit.
            match Duration::try_from_secs_f64((mark - used) as f64 / rate) {
                Ok(left) if left.as_secs() < 1000 * 365 * 86_400 => Until::In(left),
                _ => Until::Never,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A sample each ten seconds.
    fn filled(count: u64, used: impl Fn(u64) -> Amount) -> Forecast {
        let mut forecast = Forecast::new(HOUR);
        for number in 0..count {
            forecast.observe(Timestamp(1_000_000 + number * 10), used(number));
        }
        forecast
    }

    #[test]
    fn what_grows_steadily_reaches_its_mark_in_time() {
        let forecast = filled(100, |n| Amount::new(5_000_000_000 + n * 1000, 100 + n));
        // 99 × 10 s have passed; 100 bytes and a tenth of an inode a second.
        let outlook = forecast.outlook(Amount::new(5_000_000_000 + 99_000 + 360_000, 199 + 1080));
        assert_eq!(outlook.bytes.to_string(), "in 60 min");
        assert_eq!(outlook.inodes.to_string(), "in 3 h");
        assert!(outlook.bytes.within(2 * HOUR) && !outlook.inodes.within(2 * HOUR));
    }

    #[test]
    fn memory_is_bounded_and_the_window_slides() {
        let mut forecast = filled(5000, |n| Amount::new(n * 1000, 0));
        assert!(forecast.samples.len() <= SAMPLES);
        let first = forecast.samples.front().expect("some").at.0;
        let last = forecast.samples.back().expect("some").at.0;
        assert!(last - first <= 3600 && last - first > 3500, "{}", last - first);
        let before = forecast.rates().expect("known").0.per_second();
        assert!((before - 100.0).abs() < 1.0, "{before}");
        for number in 0..500 {
            forecast.observe(Timestamp(last + number * 10), Amount::new(5_000_000, 0));
        }
        assert_eq!(forecast.outlook(Amount::new(6_000_000, 0)).bytes, Until::Never);
    }

    #[test]
    fn samples_that_come_fast_still_cover_the_window() {
        let mut forecast = Forecast::new(HOUR);
        for second in 0..3600 {
            forecast.observe(Timestamp(second), Amount::new(second * 7, 0));
        }
        let first = forecast.samples.front().expect("some").at.0;
        assert!(first < 100, "{first}");
        let rate = forecast.rates().expect("known").0.per_second();
        assert!((rate - 7.0).abs() < 0.01, "{rate}");
    }

    #[test]
    fn what_was_collected_does_not_hide_what_comes_in() {
        let mut forecast = Forecast::new(HOUR);
        for number in 0..100u64 {
            let gone = if number < 50 { 0 } else { 40_000 };
            if number == 50 {
                forecast.collected(Amount::new(40_000, 0));
            }
            forecast.observe(
                Timestamp(number * 10),
                Amount::new(1_000_000 + number * 1000 - gone, 0),
            );
        }
        let rate = forecast.rates().expect("known").0.per_second();
        assert!((rate - 100.0).abs() < 0.01, "{rate}");
    }

    #[test]
    fn falling_usage_never_gets_there() {
        let forecast = filled(50, |n| Amount::new(1_000_000 - n * 1000, 50));
        let outlook = forecast.outlook(Amount::new(2_000_000, 51));
        assert_eq!((outlook.bytes, outlook.inodes), (Until::Never, Until::Never));
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_tells_nothing() {
        let mut forecast = Forecast::new(HOUR);
        for number in 0..50 {
            forecast.observe(Timestamp(7), Amount::new(number, 0));
        }
        assert_eq!(forecast.outlook(Amount::new(100, 0)).bytes, Until::Unknown);
        let mut forecast = filled(50, |n| Amount::new(n, n));
        forecast.observe(Timestamp(3), Amount::new(60, 0));
        assert_eq!(forecast.outlook(Amount::new(100, 100)).bytes, Until::Unknown);
    }

    #[test]
    fn no_mark_is_no_limit_and_a_mark_can_be_reached() {
        let forecast = filled(50, |n| Amount::new(n * 10, n));
        let outlook = forecast.outlook(Amount::new(490, 0));
        assert_eq!((outlook.bytes, outlook.inodes), (Until::Reached, Until::NoLimit));
        assert!(outlook.bytes.within(Duration::ZERO));
    }
}
