//! The rules that every box begins with.
//!
//! They are written as an owner would write them, so that they show how. Promises: all of them can be read (a test says
//! so). Must not know: what an owner has changed.

use std::time::Duration;

use serde::Deserialize;

use super::{Cause, Condition, Rule, RuleName, Severity};

#[derive(Deserialize)]
struct File {
    rule: Vec<Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    when: String,
    clear: Option<String>,
    r#for: String,
    keep: String,
    cause: Cause,
    severity: Severity,
    what: String,
    measures: String,
    advice: String,
}

/// Why the built-in rules cannot be read: a fault of this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read the built-in rule {rule}: {why}")]
pub struct Broken {
    rule: String,
    why: String,
}

/// All of them, in the order in which they are shown.
pub fn builtin() -> Result<Vec<Rule>, Broken> {
    let broken = |rule: &str, why: String| Broken {
        rule: rule.to_owned(),
        why,
    };
    let file: File =
        toml::from_str(include_str!("builtin.toml")).map_err(|error| broken("", error.to_string()))?;
    let read = |written: Written| {
        let condition = |text: &str| -> Result<Condition, Broken> {
            text.parse()
                .map_err(|error: super::Unreadable| broken(&written.name, error.to_string()))
        };
        let duration =
            |text: &str| span(text).ok_or_else(|| broken(&written.name, format!("`{text}` is no duration")));
        Ok(Rule {
            when: condition(&written.when)?,
            clear: written.clear.as_deref().map(condition).transpose()?,
            pending: duration(&written.r#for)?,
            keep: duration(&written.keep)?,
            name: RuleName(written.name.clone()),
            cause: written.cause,
            severity: written.severity,
            what: written.what.clone(),
            measures: written.measures.clone(),
            advice: written.advice.clone(),
        })
    };
    file.rule.into_iter().map(read).collect()
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()? * factor))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_builtin_rules_can_be_read_and_are_told_apart() {
        let rules = builtin().expect("read");
        let names: BTreeSet<_> = rules.iter().map(|rule| rule.name.clone()).collect();
        assert_eq!(names.len(), rules.len());
        assert!(rules.len() > 20);
        for rule in &rules {
            let said = [&rule.what, &rule.measures, &rule.advice];
            assert!(
                said.iter().all(|text| !text.is_empty() && !text.ends_with('.')),
                "{}",
                rule.name
            );
            if let Some(clear) = &rule.clear {
                assert_eq!(clear.metric(), rule.when.metric(), "{}", rule.name);
                assert_ne!(clear.worse(), rule.when.worse(), "{}", rule.name);
            }
        }
    }
}
