//! The way to a setting, from the root of the configuration.

use std::fmt;

/// A step on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key(String),
    /// The upstream of this name.
    Named(String),
    /// The n-th element of a list, from 0.
    Element(usize),
}

/// Where a setting is: `upstream[ghcr.io].endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(Vec<Part>);

impl KeyPath {
    pub(super) fn parts(&self) -> &[Part] {
        &self.0
    }

    pub(super) fn then(&self, part: Part) -> Self {
        let mut parts = self.0.clone();
        parts.push(part);
        Self(parts)
    }

    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Part::Key(key.to_owned()))
    }

    /// The way to what contains the setting.
    pub(super) fn parent(&self) -> &[Part] {
        self.0.split_last().map_or(&[], |(_, parent)| parent)
    }

    /// The last key.
    pub(super) fn last(&self) -> &str {
        match self.0.last() {
            Some(Part::Key(key) | Part::Named(key)) => key,
            Some(Part::Element(_)) | None => "",
        }
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if index == 0 => f.write_str(key)?,
                Part::Key(key) => write!(f, ".{key}")?,
                Part::Named(name) => write!(f, "[{name}]")?,
                Part::Element(number) => write!(f, "[{number}]")?,
            }
        }
        Ok(())
    }
}
