//! The layers of the configuration and how they lie on each other: defaults, built-in upstreams, file,
//! environment.
//!
//! `[[upstream]]` entries are keyed by their names before the layers are merged, so that an entry changes
//! the built-in one of the same name field by field.

use std::collections::BTreeMap;

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map, Tag, Value},
};

use super::{
    Origin, environment,
    file::{self, File, FileChoice},
    path::{KeyPath, Part},
    problem::{Place, Problem},
};
use crate::oci::UpstreamName;

const DEFAULTS: &str = include_str!("defaults.toml");
const BUILT_IN: &str = include_str!("builtin.toml");

/// What a configuration is made from, besides what is compiled in.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub file: FileChoice,
    /// All environment variables; those that do not concern us are ignored.
    pub environment: BTreeMap<String, String>,
}

/// The merged tree, and what is needed to tell where a value in it came from.
pub(super) struct Layers {
    figment: Figment,
    pub(super) tree: Dict,
    pub(super) file: Option<File>,
    variables: Vec<String>,
}

struct Layer {
    name: &'static str,
    tree: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.tree.clone())]))
    }
}

impl Layers {
    /// Reads and merges. What cannot be read is left out and told as a problem.
    pub(super) fn read(inputs: &Inputs, problems: &mut Vec<Problem>) -> Self {
        let mut defaults = compiled_in(DEFAULTS);
        let template = defaults.remove("upstream-defaults");
        let (mut file_tree, mut file) = file::read(&inputs.file, problems);
        let mut typing = defaults.clone();
        typing.extend(
            template
                .iter()
                .map(|t| ("upstream-defaults".to_owned(), t.clone())),
        );
        let mut environment = environment::read(&inputs.environment, &typing, problems);

        let place = file
            .as_ref()
            .map_or_else(String::new, |file| format!("file {}", file.path.display()));
        let names = key_upstreams(&mut file_tree, &place, problems);
        if let Some(file) = &mut file {
            file.upstreams = names.clone();
        }
        let mut all = names;
        all.extend(key_upstreams(
            &mut environment,
            &format!("environment variable {}", environment::variable(&["upstream"])),
            problems,
        ));
        let mut built_in = Dict::new();
        let wanted = environment
            .get("builtin_upstreams")
            .or_else(|| file_tree.get("builtin_upstreams"));
        if wanted.and_then(Value::to_bool) != Some(false) {
            built_in = compiled_in(BUILT_IN);
            all.extend(key_upstreams(&mut built_in, "", &mut Vec::new()));
        }
        defaults.insert("upstream".into(), upstream_defaults(&all, template.as_ref()));

        let mut figment = Figment::new();
        for (name, tree) in [
            ("default", defaults),
            ("built-in", built_in),
            ("file", file_tree),
            ("environment", environment),
        ] {
            figment = figment.merge(Layer { name, tree });
        }
        // The layers are trees already: merging them cannot fail.
        let tree = figment
            .find_value("")
            .ok()
            .and_then(Value::into_dict)
            .unwrap_or_default();
        Self {
            figment,
            tree,
            file,
            variables: inputs.environment.keys().cloned().collect(),
        }
    }

    /// Where the value at `path` that carries `tag` came from.
    pub(super) fn origin(&self, tag: Tag, path: &KeyPath) -> Origin {
        match self.figment.get_metadata(tag).map(|layer| &*layer.name) {
            Some("built-in") => Origin::BuiltIn,
            Some("file") => self
                .file
                .as_ref()
                .map_or(Origin::Default, |file| file.origin(path)),
            Some("environment") => Origin::Environment(self.variable(path)),
            _ => Origin::Default,
        }
    }

    /// The variable that gave `path`, or a list that `path` is in.
    fn variable(&self, path: &KeyPath) -> String {
        let keys: Vec<&str> = path
            .parts()
            .iter()
            .map_while(|part| match part {
                Part::Key(key) => Some(key.as_str()),
                Part::Named(_) | Part::Element(_) => None,
            })
            .collect();
        let whole = environment::variable(&keys);
        let around = (1..=keys.len())
            .rev()
            .map(|length| environment::variable(&keys[..length]));
        let inside = |name: &&String| {
            name.strip_prefix(&whole)
                .is_some_and(|rest| rest.starts_with("__"))
        };
        around
            .into_iter()
            .find(|name| self.variables.contains(name))
            .or_else(|| self.variables.iter().find(inside).cloned())
            .unwrap_or(whole)
    }
}

fn compiled_in(text: &str) -> Dict {
    // A test reads both documents: this cannot fail in a binary that was tested.
    toml::from_str(text).unwrap_or_default()
}

/// Turns the list `upstream` of a layer into a table by name. Returns the names in the list's order, with
/// nothing for entries that have no usable one.
fn key_upstreams(tree: &mut Dict, place: &str, problems: &mut Vec<Problem>) -> Vec<String> {
    let Some(value) = tree.remove("upstream") else {
        return Vec::new();
    };
    let mut report = |what: String, remedy: &str| {
        problems.push(Problem {
            what,
            place: Place::Elsewhere(place.to_owned()),
            allowed: Some("`[[upstream]]` with `name = \"ghcr.io\"`, once for each name".into()),
            remedy: remedy.to_owned(),
        });
    };
    let Some(entries) = value.into_array() else {
        report(
            "`upstream` is not a list of tables".into(),
            "write `[[upstream]]` with two brackets before each upstream",
        );
        return Vec::new();
    };
    let mut names = Vec::new();
    let mut keyed = Dict::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let number = index + 1;
        let written = entry
            .find_ref("name")
            .and_then(Value::as_str)
            .map(str::parse::<UpstreamName>);
        match written {
            Some(Ok(name)) if keyed.contains_key(name.as_str()) => {
                names.push(String::new());
                report(
                    format!("upstream number {number} is a second one called `{name}`"),
                    "put the settings of one upstream into one entry",
                );
            }
            Some(Ok(name)) => {
                names.push(name.as_str().to_owned());
                keyed.insert(name.as_str().to_owned(), entry);
            }
            Some(Err(e)) => {
                names.push(String::new());
                report(
                    format!("upstream number {number} has a bad name: {e}"),
                    "mend its `name`",
                );
            }
            None => {
                names.push(String::new());
                report(
                    format!("upstream number {number} has no `name`"),
                    "give it a `name`",
                );
            }
        }
    }
    tree.insert("upstream".into(), Value::from(keyed));
    names
}

fn upstream_defaults(names: &[String], template: Option<&Value>) -> Value {
    let keyed: Dict = names
        .iter()
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut fields = template.and_then(Value::as_dict).cloned().unwrap_or_default();
            // The name a site calls a registry by is almost always where it is.
            let endpoint = Value::from(format!("https://{name}"));
            fields.insert("endpoints".into(), Value::from(vec![endpoint]));
            (name.clone(), Value::from(fields))
        })
        .collect();
    Value::from(keyed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compiled_in_is_toml() {
        for text in [DEFAULTS, BUILT_IN] {
            assert!(!toml::from_str::<Dict>(text).expect("TOML").is_empty());
        }
    }
}
