//! Reads settings out of the merged tree, and goes on after a mistake.
//!
//! Every setting that is asked for is recorded with its origin; every key that nobody asked for is a
//! mistake. A value that cannot be taken gives `None`, so callers read *all* settings of a section before
//! they put them together, and the person sees all mistakes at once.

use std::cell::{Cell, RefCell};

use figment::value::{Dict, Tag, Value};

use super::{
    Origin,
    layers::Layers,
    path::{KeyPath, Part},
    problem::{Place, Problem, nearest},
    setting::{Setting, describe},
};

/// A setting in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: KeyPath,
    /// As TOML writes it; `None` when it must not be seen.
    pub(super) value: Option<String>,
    pub(super) origin: Origin,
}

/// What was read and what was wrong, so far.
pub(super) struct Reader {
    pub(super) layers: Layers,
    entries: RefCell<Vec<Entry>>,
    problems: RefCell<Vec<Problem>>,
}

/// A table of the configuration.
pub(super) struct Section<'r> {
    reader: &'r Reader,
    path: KeyPath,
    table: Dict,
    known: RefCell<Vec<&'static str>>,
    is_passed_over: Cell<bool>,
}

impl Reader {
    pub(super) fn new(layers: Layers, problems: Vec<Problem>) -> Self {
        Self {
            layers,
            entries: RefCell::default(),
            problems: RefCell::new(problems),
        }
    }

    /// Reads the whole tree with `read`.
    pub(super) fn root<T>(&self, read: impl FnOnce(&Section<'_>) -> Option<T>) -> Option<T> {
        self.table(KeyPath::default(), self.layers.tree.clone(), read)
    }

    pub(super) fn finish(self) -> (Layers, Vec<Entry>, Vec<Problem>) {
        (self.layers, self.entries.into_inner(), self.problems.into_inner())
    }

    fn table<T>(
        &self,
        path: KeyPath,
        table: Dict,
        read: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Option<T> {
        let section = Section {
            reader: self,
            path,
            table,
            known: RefCell::default(),
            is_passed_over: Cell::new(false),
        };
        let result = read(&section);
        section.report_unknown();
        result
    }
}

impl Section<'_> {
    /// The setting `key`, or `None` after a mistake has been noted.
    pub(super) fn read<T: Setting>(&self, key: &'static str) -> Option<T> {
        self.known.borrow_mut().push(key);
        let Some(value) = self.table.get(key) else {
            self.problem(
                key,
                format!("`{}` is missing", self.path.key(key)),
                Some(T::allowed()),
                "add it",
            );
            return None;
        };
        match T::read(value) {
            Ok(read) => {
                self.reader.entries.borrow_mut().push(Entry {
                    path: self.path.key(key),
                    value: read.show(),
                    origin: self.origin(key),
                });
                Some(read)
            }
            Err(reason) => {
                self.problem(
                    key,
                    format!("`{}`: {reason}", self.path.key(key)),
                    Some(T::allowed()),
                    "write one of what is allowed, or leave the key out",
                );
                None
            }
        }
    }

    /// The setting `key` if it is there: for lists of tables, which have no defaults.
    pub(super) fn optional<T: Setting>(&self, key: &'static str) -> Option<Option<T>> {
        if self.table.contains_key(key) {
            return self.read(key).map(Some);
        }
        self.known.borrow_mut().push(key);
        Some(None)
    }

    /// All keys are taken as known: what they mean depends on a setting that could not be read.
    pub(super) fn pass_over(&self) {
        self.is_passed_over.set(true);
    }

    /// The names of the tables in `key`.
    pub(super) fn names(&self, key: &str) -> Vec<String> {
        let tables = self.table.get(key).and_then(Value::as_dict);
        tables
            .map(|tables| tables.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// The table `key`, read with `read`.
    pub(super) fn within<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Option<T> {
        self.known.borrow_mut().push(key);
        match self.table.get(key) {
            Some(Value::Dict(_, table)) => self.reader.table(self.path.key(key), table.clone(), read),
            Some(other) => {
                self.problem(
                    key,
                    format!("`{}`: it is {}, not a table", self.path.key(key), describe(other)),
                    None,
                    &format!("write `[{}]` and its settings below it", self.path.key(key)),
                );
                None
            }
            None => self.reader.table(self.path.key(key), Dict::new(), read),
        }
    }

    /// Each table of `key`, by name, read with `read`; those that had mistakes are left out.
    pub(super) fn each_named<T>(
        &self,
        key: &'static str,
        read: impl Fn(&Section<'_>) -> Option<T>,
    ) -> Vec<T> {
        self.known.borrow_mut().push(key);
        let Some(Value::Dict(_, tables)) = self.table.get(key) else {
            return Vec::new();
        };
        let read_one = |(name, value): (&String, &Value)| {
            let path = self.path.key(key).then(Part::Named(name.clone()));
            let table = value.as_dict()?.clone();
            self.reader.table(path, table, &read)
        };
        tables.iter().filter_map(read_one).collect()
    }

    /// Each table of the list `key`, read with `read`; those that had mistakes are left out.
    pub(super) fn each<T>(&self, key: &'static str, read: impl Fn(&Section<'_>) -> Option<T>) -> Vec<T> {
        self.known.borrow_mut().push(key);
        let items = match self.table.get(key) {
            None => return Vec::new(),
            Some(Value::Array(_, items)) => items,
            Some(other) => {
                self.problem(
                    key,
                    format!(
                        "`{}`: it is {}, not a list of tables",
                        self.path.key(key),
                        describe(other)
                    ),
                    None,
                    &format!("write `[[{}]]` before each", self.path.key(key)),
                );
                return Vec::new();
            }
        };
        let read_one = |(index, value): (usize, &Value)| {
            let path = self.path.key(key).then(Part::Element(index));
            let Some(table) = value.as_dict() else {
                self.problem(
                    key,
                    format!("`{path}`: it is {}, not a table", describe(value)),
                    None,
                    &format!("write `[[{}]]` before each", self.path.key(key)),
                );
                return None;
            };
            self.reader.table(path, table.clone(), &read)
        };
        items.iter().enumerate().filter_map(read_one).collect()
    }

    /// Notes that the value of `key`, though well formed, cannot be.
    pub(super) fn refuse(&self, key: &str, reason: &str, allowed: Option<String>, remedy: &str) {
        self.problem(
            key,
            format!("`{}`: {reason}", self.path.key(key)),
            allowed,
            remedy,
        );
    }

    fn origin(&self, key: &str) -> Origin {
        let tag = self.table.get(key).map_or_else(
            // What is missing is missing where its neighbours are.
            || self.table.values().next().map_or(Tag::Default, Value::tag),
            Value::tag,
        );
        self.reader.layers.origin(tag, &self.path.key(key))
    }

    fn problem(&self, key: &str, what: String, allowed: Option<String>, remedy: &str) {
        self.reader.problems.borrow_mut().push(Problem {
            what,
            place: Place::Setting {
                key: self.path.key(key).to_string(),
                origin: self.origin(key),
            },
            allowed,
            remedy: remedy.to_owned(),
        });
    }

    fn report_unknown(&self) {
        if self.is_passed_over.get() {
            return;
        }
        let known = self.known.borrow();
        for key in self.table.keys().filter(|key| !known.contains(&key.as_str())) {
            let path = self.path.key(key);
            let remedy = match nearest(key, &known) {
                Some(meant) => format!("did you mean `{}`? Else remove it", self.path.key(meant)),
                None => "remove it".into(),
            };
            let allowed = known
                .iter()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ");
            self.problem(key, format!("`{path}` is not a setting"), Some(allowed), &remedy);
        }
    }
}
