//! Reading conditions.

use std::{str::FromStr, time::Duration};

use super::{Comparison, Condition, Operator, Over, Quantity};
use crate::rule::{Metric, Unit};

/// A condition that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{at}`: {what}")]
pub struct Unreadable {
    /// Where it stopped to make sense; empty at the end.
    pub at: String,
    pub what: String,
}

/// What is left to be read.
struct Rest<'t>(&'t str);

impl FromStr for Condition {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let mut rest = Rest(text);
        let first = rest.comparison()?;
        let mut others = Vec::new();
        while rest.word_is("and") {
            others.push(rest.comparison()?);
        }
        rest.skip();
        if !rest.0.is_empty() {
            return Err(rest.expected("`and` or the end"));
        }
        Ok(Self { first, others })
    }
}

impl<'t> Rest<'t> {
    fn skip(&mut self) {
        self.0 = self.0.trim_start();
    }

    fn expected(&self, what: &str) -> Unreadable {
        let at: String = self.0.trim_start().chars().take(24).collect();
        Unreadable {
            what: format!("{what} is expected here"),
            at: if at.is_empty() { "the end".to_owned() } else { at },
        }
    }

    fn take(&mut self, text: &str) -> bool {
        self.skip();
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// A word, and not the beginning of a longer one.
    fn word_is(&mut self, word: &str) -> bool {
        self.skip();
        let follows = self.0.strip_prefix(word).and_then(|rest| rest.chars().next());
        follows.is_some_and(char::is_whitespace) && self.take(word)
    }

    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'t str {
        self.skip();
        let end = self.0.find(|c| !fits(c)).unwrap_or(self.0.len());
        let (run, rest) = self.0.split_at(end);
        self.0 = rest;
        run
    }

    fn comparison(&mut self) -> Result<Comparison, Unreadable> {
        let quantity = self.quantity()?;
        let operator = if self.take(">=") {
            Operator::AtLeast
        } else if self.take(">") {
            Operator::More
        } else if self.take("<=") {
            Operator::AtMost
        } else if self.take("<") {
            Operator::Less
        } else {
            return Err(self.expected("one of `>`, `>=`, `<`, `<=`"));
        };
        let value = self.value(quantity.metric)?;
        Ok(Comparison {
            quantity,
            operator,
            value,
        })
    }

    fn quantity(&mut self) -> Result<Quantity, Unreadable> {
        for (word, over) in [
            ("avg(", Over::Average),
            ("min(", Over::Least),
            ("max(", Over::Most),
        ] {
            if self.take(word) {
                let (metric, label) = self.series()?;
                if !self.take(",") {
                    return Err(self.expected("`,` and a duration like `5m`"));
                }
                let time = self.duration()?;
                if !self.take(")") {
                    return Err(self.expected("`)`"));
                }
                return Ok(Quantity {
                    metric,
                    label,
                    over: Some((over, time)),
                });
            }
        }
        let (metric, label) = self.series()?;
        Ok(Quantity {
            metric,
            label,
            over: None,
        })
    }

    fn series(&mut self) -> Result<(Metric, String), Unreadable> {
        self.skip();
        let before = Rest(self.0);
        let name = self.run(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let Ok(metric) = name.parse::<Metric>() else {
            return Err(Unreadable {
                what: format!("a metric is expected here: {}", like(name)),
                ..before.expected("")
            });
        };
        if !self.take("{") {
            return Ok((metric, "*".to_owned()));
        }
        let label = self.run(|c| c != '}').trim_end().to_owned();
        if !self.take("}") {
            return Err(self.expected("`}`"));
        }
        Ok((metric, label))
    }

    fn number(&mut self) -> Option<f64> {
        let before = self.0;
        let text = self.run(|c| c.is_ascii_digit() || matches!(c, '.' | '-'));
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        if number.is_none() {
            self.0 = before;
        }
        number
    }

    fn value(&mut self, metric: Metric) -> Result<f64, Unreadable> {
        let Some(number) = self.number() else {
            return Err(self.expected("a number"));
        };
        let after = Rest(self.0.trim_start());
        let unit = self.run(|c| c == '%' || c.is_ascii_alphabetic());
        let (factor, units): (f64, &[Unit]) = match unit {
            "" => return Ok(number),
            // The next comparison.
            "and" => {
                self.0 = after.0;
                return Ok(number);
            }
            "%" => (1.0, &[Unit::Part]),
            "KiB" => (1024.0, &[Unit::Bytes, Unit::BytesPerSecond]),
            "MiB" => (1_048_576.0, &[Unit::Bytes, Unit::BytesPerSecond]),
            "GiB" => (1_073_741_824.0, &[Unit::Bytes, Unit::BytesPerSecond]),
            "s" => (1.0, &[Unit::Seconds]),
            "m" => (60.0, &[Unit::Seconds]),
            "h" => (3600.0, &[Unit::Seconds]),
            "d" => (86_400.0, &[Unit::Seconds]),
            _ => return Err(after.expected("`%`, `KiB`, `MiB`, `GiB`, `s`, `m`, `h`, `d` or nothing")),
        };
        if !units.contains(&metric.unit()) {
            return Err(Unreadable {
                what: format!("{metric} is not counted in `{unit}`"),
                ..after.expected("")
            });
        }
        // Divided, so that 95 % is the same number as 0.95.
        Ok(if unit == "%" {
            number / 100.0
        } else {
            number * factor
        })
    }

    fn duration(&mut self) -> Result<Duration, Unreadable> {
        let wrong = Rest(self.0.trim_start()).expected("a duration like `90s`, `5m`, `1h`");
        let number = self
            .number()
            .filter(|number| *number > 0.0)
            .ok_or_else(|| wrong.clone())?;
        let factor = match self.run(|c| c.is_ascii_alphabetic()) {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wrong),
        };
        Duration::try_from_secs_f64(number * factor).map_err(|_| wrong)
    }
}

/// What may have been meant.
fn like(name: &str) -> String {
    let group = name.split('.').next().unwrap_or_default();
    let names = || Metric::ALL.iter().map(|metric| metric.name());
    let near: Vec<&str> = names()
        .filter(|known| known.split('.').next() == Some(group))
        .collect();
    if near.is_empty() {
        let mut groups: Vec<&str> = names().filter_map(|known| known.split('.').next()).collect();
        groups.dedup();
        groups.sort_unstable();
        groups.dedup();
        format!("one of the groups {}", groups.join(", "))
    } else {
        format!("one of {}", near.join(", "))
    }
}
