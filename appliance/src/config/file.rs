//! The configuration file: which one, what is in it, and on which line.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use figment::value::Dict;

use super::{
    Origin,
    locate::{Step, line_of},
    path::{KeyPath, Part},
    problem::{Place, Problem},
};

/// Which file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileChoice {
    /// This one; that it is not there is a mistake.
    Named(PathBuf),
    /// The first of these that exists; none is fine.
    FirstOf(Vec<PathBuf>),
}

impl FileChoice {
    /// `./larder.toml`, else `/etc/larder/larder.toml`.
    pub fn usual() -> Self {
        Self::FirstOf(vec!["larder.toml".into(), "/etc/larder/larder.toml".into()])
    }
}

/// The file as it was read.
pub(super) struct File {
    pub(super) path: Arc<Path>,
    text: String,
    /// Names of the `[[upstream]]` entries in their order.
    pub(super) upstreams: Vec<String>,
}

impl File {
    /// Where the value at `path` is written.
    pub(super) fn origin(&self, path: &KeyPath) -> Origin {
        let steps: Option<Vec<Step<'_>>> = path
            .parts()
            .iter()
            .map(|part| match part {
                Part::Key(key) => Some(Step::Key(key)),
                Part::Element(number) => Some(Step::Element(*number)),
                Part::Named(name) => self.upstreams.iter().position(|n| n == name).map(Step::Element),
            })
            .collect();
        Origin::File {
            path: self.path.clone(),
            line: steps.and_then(|steps| line_of(&self.text, &steps)),
        }
    }
}

/// Reads the chosen file. What cannot be read is told, and nothing is in it.
pub(super) fn read(choice: &FileChoice, problems: &mut Vec<Problem>) -> (Dict, Option<File>) {
    let (paths, must_exist) = match choice {
        FileChoice::Named(path) => (std::slice::from_ref(path), true),
        FileChoice::FirstOf(paths) => (paths.as_slice(), false),
    };
    for path in paths {
        let place = Place::Elsewhere(format!("file {}", path.display()));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !must_exist => continue,
            Err(e) => {
                problems.push(Problem {
                    what: format!("the configuration file cannot be read: {e}"),
                    place,
                    allowed: Some("a TOML file in UTF-8 that this user may read".into()),
                    remedy: "check the path and its permissions".into(),
                });
                return (Dict::new(), None);
            }
        };
        let tree = toml::from_str(&text).unwrap_or_else(|e| {
            problems.push(syntax(path, &text, &e));
            Dict::new()
        });
        let file = File {
            path: path.as_path().into(),
            text,
            upstreams: Vec::new(),
        };
        return (tree, Some(file));
    }
    (Dict::new(), None)
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let place = match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("file {}:{line}:{column}", path.display())
        }
        None => format!("file {}", path.display()),
    };
    Problem {
        what: format!(
            "the file is not TOML: {}",
            error.message().trim().replace('\n', "; ")
        ),
        place: Place::Elsewhere(place),
        allowed: None,
        remedy: "mend that line; the rest of the file was not looked at".into(),
    }
}
