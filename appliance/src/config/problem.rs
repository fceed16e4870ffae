//! Mistakes in a configuration, in the words of whoever has to mend them.

use std::fmt;

use super::Origin;

/// One mistake: what, where, what is allowed, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A sentence without a full stop: "`cache.high` is 1.5: it is more than 1".
    pub what: String,
    pub place: Place,
    /// What may stand there, if that can be said.
    pub allowed: Option<String>,
    pub remedy: String,
}

/// Where a mistake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A setting by its key, and the layer that its value is from.
    Setting { key: String, origin: Origin },
    /// Something else: a file that cannot be read, a line that is no TOML.
    Elsewhere(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setting { key, origin } => write!(f, "{origin}, key `{key}`"),
            Self::Elsewhere(place) => f.write_str(place),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  where:   {}", self.what, self.place)?;
        if let Some(allowed) = &self.allowed {
            write!(f, "\n  allowed: {allowed}")?;
        }
        write!(f, "\n  do:      {}", self.remedy)
    }
}

/// A configuration that cannot be used, with everything that is wrong with it. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a mistake")?,
            n => write!(f, "the configuration has {n} mistakes")?,
        }
        for (number, problem) in self.problems.iter().enumerate() {
            write!(f, "\n\n{}. {problem}", number + 1)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The one of `allowed` that a slip of the finger turns into `written`.
pub(super) fn nearest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let close = |candidate: &str| {
        let limit = match candidate.len() {
            0..=3 => 1,
            4..=7 => 2,
            _ => 3,
        };
        let distance = distance(written, candidate);
        (distance <= limit).then_some(distance)
    };
    allowed
        .iter()
        .filter_map(|candidate| Some((close(candidate)?, *candidate)))
        .min()
        .map(|(_, candidate)| candidate)
        // `inline` for `inline_below`: people remember the beginning.
        .or_else(|| {
            allowed
                .iter()
                .copied()
                .find(|candidate| written.len() >= 4 && candidate.starts_with(written))
        })
}

/// Edits between two words: insert, delete, replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_key() {
        let keys = ["max_bytes", "max_inodes", "high", "low", "inline_below"];
        assert_eq!(nearest("max_byte", &keys), Some("max_bytes"));
        assert_eq!(nearest("maxbytes", &keys), Some("max_bytes"));
        assert_eq!(nearest("hihg", &keys), Some("high"));
        assert_eq!(nearest("inline", &keys), Some("inline_below"));
        assert_eq!(nearest("colour", &keys), None);
    }
}
