//! Where a value comes from: what a person must edit to change it.

use std::{fmt, path::Path, sync::Arc};

/// The layer that gave a setting its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The program's own default.
    Default,
    /// An upstream that is there without being configured.
    BuiltIn,
    /// A line of the configuration file, when it could be told.
    File { path: Arc<Path>, line: Option<usize> },
    /// An environment variable, by its name.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::BuiltIn => f.write_str("built-in"),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "file {}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "env {name}"),
        }
    }
}
