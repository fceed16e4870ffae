//! The environment layer: `LARDER_FETCH__BUFFER_BYTES=64MiB`.
//!
//! A variable has no type, so a value is read as what its setting's default is: text, a number, a list.
//! Lists of tables (`LARDER_UPSTREAM`, `LARDER_ALERT__RECEIVER`, `LARDER_ALERT__RULE`) and lists that start with `[` are TOML.

use std::collections::BTreeMap;

use figment::value::{Dict, Tag, Value};

use super::problem::{Place, Problem};

const PREFIX: &str = "LARDER_";

/// Variables with our prefix that are no settings: they choose what a command talks to.
const COMMAND_LINE: [&str; 2] = ["LARDER_CONFIG", "LARDER_SERVER"];

/// Settings that are lists of tables.
const TABLES: [&[&str]; 3] = [&["upstream"], &["alert", "receiver"], &["alert", "rule"]];

/// The variable that holds the setting at `path`.
pub(super) fn variable(path: &[&str]) -> String {
    format!("{PREFIX}{}", path.join("__").to_ascii_uppercase())
}

/// The settings in the environment, typed after `defaults`.
pub(super) fn read(
    environment: &BTreeMap<String, String>,
    defaults: &Dict,
    problems: &mut Vec<Problem>,
) -> Dict {
    let mut tree = Dict::new();
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(PREFIX).filter(|_| is_setting(name)) else {
            continue;
        };
        let lower = key.to_ascii_lowercase();
        let path: Vec<&str> = lower.split("__").collect();
        match typed(&path, text, defaults) {
            Ok(value) => insert(&mut tree, &path, value),
            Err(reason) => problems.push(Problem {
                what: format!("the value of {name} is no list in TOML: {reason}"),
                place: Place::Elsewhere(format!("environment variable {name}")),
                allowed: Some("a list as TOML writes it on one line".into()),
                remedy: "mend the variable, or put the setting into the configuration file".into(),
            }),
        }
    }
    tree
}

/// Kubernetes puts `LARDER_SERVICE_HOST`, `LARDER_PORT_5000_TCP` and more of the kind into every container of
/// a namespace that has a service called `larder`. They must not keep the mirror from starting.
fn is_setting(name: &str) -> bool {
    let injected =
        name.starts_with("LARDER_SERVICE_") || name == "LARDER_PORT" || name.starts_with("LARDER_PORT_");
    !injected && !COMMAND_LINE.contains(&name)
}

fn typed(path: &[&str], text: &str, defaults: &Dict) -> Result<Value, String> {
    if TABLES.contains(&path) {
        return list(text);
    }
    Ok(match default_at(path, defaults) {
        Some(Value::Bool(..)) => match text {
            "true" => Value::from(true),
            "false" => Value::from(false),
            _ => Value::from(text),
        },
        Some(Value::Num(..)) => text
            .parse::<f64>()
            .map_or_else(|_| Value::from(text), Value::from),
        Some(Value::Array(..)) if text.trim_start().starts_with('[') => list(text)?,
        Some(Value::Array(..)) => Value::from(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(Value::from)
                .collect::<Vec<_>>(),
        ),
        _ => Value::from(text),
    })
}

fn list(text: &str) -> Result<Value, String> {
    let document: Dict =
        toml::from_str(&format!("value = {text}")).map_err(|e| e.message().trim().replace('\n', "; "))?;
    match document.into_iter().next() {
        Some((_, value @ Value::Array(..))) => Ok(value),
        _ => Err("it is one value".into()),
    }
}

fn default_at<'a>(path: &[&str], defaults: &'a Dict) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = defaults.get(*first)?;
    if rest.is_empty() {
        return Some(value);
    }
    default_at(rest, value.as_dict()?)
}

fn insert(tree: &mut Dict, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        tree.insert((*first).to_owned(), value);
        return;
    }
    let inner = tree
        .entry((*first).to_owned())
        .or_insert_with(|| Value::Dict(Tag::Default, Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}
