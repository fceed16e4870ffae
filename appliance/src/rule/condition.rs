//! Conditions over metrics, as people write them.
//!
//! ```text
//! condition  = comparison { "and" comparison }
//! comparison = quantity ( ">" | ">=" | "<" | "<=" ) value
//! quantity   = series | ( "avg" | "min" | "max" ) "(" series "," duration ")"
//! series     = metric [ "{" label "}" ]           # a `*` in the label stands for any text
//! value      = number [ "%" | "KiB" | "MiB" | "GiB" | "s" | "m" | "h" | "d" ]
//! duration   = number ( "s" | "m" | "h" | "d" )
//! ```
//!
//! `disk.bytes-used > 95 %`, `avg(cpu.busy, 5m) > 0.9 and pressure.cpu > 0.5`, `upstream.up{docker.io} < 1`.
//!
//! A condition speaks of each thing that its first series has: each disk, each upstream. Its other series are looked up
//! for the same thing, or, where there is none of it, for the box.
//!
//! Promises: what cannot be read is an error that says where, and what is allowed there. Must not know: what follows
//! from a condition.

mod parse;

use std::{ops::RangeInclusive, time::Duration};

use super::{Direction, Label, Metric, Series, matches};
use crate::clock::Timestamp;

pub use parse::Unreadable;

/// Samples, as far as they can be believed.
pub trait Samples {
    /// The things that a metric was measured of, as far as they are still there.
    fn labels(&self, metric: Metric) -> Vec<Label>;

    /// The last sample, unless it is older than `lapse`: by a clock that nobody sets.
    fn last(&self, series: &Series, lapse: Duration) -> Option<f64>;

    /// The samples within a time.
    fn within(&self, series: &Series, time: RangeInclusive<Timestamp>) -> Vec<f64>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Average,
    Least,
    Most,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
struct Quantity {
    metric: Metric,
    /// With stars.
    label: String,
    /// Over a time that ends now; without it, the last sample.
    over: Option<(Over, Duration)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    More,
    AtLeast,
    Less,
    AtMost,
}

#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    quantity: Quantity,
    operator: Operator,
    value: f64,
}

/// A condition. At least one comparison; the first one names what it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    first: Comparison,
    others: Vec<Comparison>,
}

/// What a condition comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    Holds(f64),
    /// With the first quantity.
    DoesNot(f64),
    /// Something it needs is not known.
    Unknown,
}

impl Condition {
    /// Everything that it speaks of.
    pub fn labels(&self, samples: &impl Samples) -> Vec<Label> {
        let mut labels = samples.labels(self.first.quantity.metric);
        labels.retain(|label| matches(&self.first.quantity.label, label.as_str()));
        labels
    }

    /// What it comes to for one thing. Samples older than `lapse` are not known.
    pub fn judge(&self, samples: &impl Samples, of: &Label, lapse: Duration, now: Timestamp) -> Verdict {
        let Some(value) = self.first.quantity.value(samples, of, lapse, now) else {
            return Verdict::Unknown;
        };
        let mut holds = self.first.holds(value);
        for other in &self.others {
            match other.quantity.value(samples, of, lapse, now) {
                Some(value) => holds &= other.holds(value),
                None => return Verdict::Unknown,
            }
        }
        if holds {
            Verdict::Holds(value)
        } else {
            Verdict::DoesNot(value)
        }
    }

    /// Which way its first quantity gets worse, if that it holds is bad.
    pub fn worse(&self) -> Direction {
        match self.first.operator {
            Operator::More | Operator::AtLeast => Direction::Up,
            Operator::Less | Operator::AtMost => Direction::Down,
        }
    }

    /// What it is about.
    pub fn metric(&self) -> Metric {
        self.first.quantity.metric
    }
}

impl Comparison {
    fn holds(&self, value: f64) -> bool {
        match self.operator {
            Operator::More => value > self.value,
            Operator::AtLeast => value >= self.value,
            Operator::Less => value < self.value,
            Operator::AtMost => value <= self.value,
        }
    }
}

impl Quantity {
    fn value(&self, samples: &impl Samples, of: &Label, lapse: Duration, now: Timestamp) -> Option<f64> {
        let same = Series {
            metric: self.metric,
            of: of.clone(),
        };
        let alone = Series::alone(self.metric);
        let named = Series::of(self.metric, &self.label);
        [same, named, alone]
            .into_iter()
            .find_map(|series| self.of(samples, &series, lapse, now))
    }

    fn of(&self, samples: &impl Samples, series: &Series, lapse: Duration, now: Timestamp) -> Option<f64> {
        // Also over a time, the last of it must be known.
        let last = samples.last(series, lapse)?;
        let Some((over, time)) = self.over else {
            return Some(last);
        };
        // A clock that was set back leaves samples in the future.
        let from = Timestamp(now.0.saturating_sub(time.as_secs()));
        let values = samples.within(series, from..=now);
        let values = values.into_iter();
        match over {
            Over::Average => {
                let count = values.len();
                (count > 0).then(|| values.sum::<f64>() / count as f64)
            }
            Over::Least => values.reduce(f64::min),
            Over::Most => values.reduce(f64::max),
        }
    }
}

#[cfg(test)]
mod tests;
