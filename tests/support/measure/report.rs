//! Figures for people: Markdown tables, and a list of what was to be reached.

use std::fmt;

/// A Markdown table.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        Self {
            head: head.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|{}", "---|".repeat(self.head.len()))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// A line that is to be reached, and whether it was.
#[derive(Clone, Debug)]
pub struct Check {
    what: String,
    seen: String,
    passed: bool,
}

impl Check {
    pub fn new(what: impl Into<String>, seen: impl Into<String>, passed: bool) -> Self {
        Self {
            what: what.into(),
            seen: seen.into(),
            passed,
        }
    }

    /// `seen` must not be more than `most`.
    pub fn at_most(what: impl Into<String>, seen: f64, most: f64) -> Self {
        Self::new(what, format!("{seen:.3} (at most {most})"), seen <= most)
    }

    /// `seen` must not be less than `least`.
    pub fn at_least(what: impl Into<String>, seen: f64, least: f64) -> Self {
        Self::new(what, format!("{seen:.2} (at least {least})"), seen >= least)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.passed { "PASS" } else { "FAIL" };
        write!(f, "- {word} {}: {}", self.what, self.seen)
    }
}
