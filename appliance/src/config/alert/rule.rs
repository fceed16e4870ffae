//! `[[alert.rule]]`: the built-in rules as their owner wants them, and the owner's own.

use std::time::Duration;

use super::{
    super::{Span, problem::nearest, reader::Section},
    words::Written,
};
use crate::rule::{Cause, Rule, RuleName, Severity, builtin};

/// What a rule of the owner's own that says nothing of it has.
const PENDING: Duration = Duration::from_secs(60);
const KEEP: Duration = Duration::from_secs(300);

/// What an entry comes to.
enum Entry {
    Is(Box<Rule>),
    IsOff(RuleName),
}

impl Entry {
    fn name(&self) -> &RuleName {
        match self {
            Self::Is(rule) => &rule.name,
            Self::IsOff(name) => name,
        }
    }
}

pub(super) fn read(s: &Section<'_>) -> Option<Vec<Rule>> {
    let mut rules = match builtin() {
        Ok(rules) => rules,
        Err(error) => {
            let remedy = "this is a fault of the program: please report it";
            s.refuse("rule", &error.to_string(), None, remedy);
            return None;
        }
    };
    let entries = s.each("rule", |s| one(s, &rules));
    let twice = entries
        .iter()
        .enumerate()
        .find(|(index, one)| entries[..*index].iter().any(|other| other.name() == one.name()));
    if let Some((_, one)) = twice {
        s.refuse(
            "rule",
            &format!("two are called \"{}\"", one.name()),
            Some("each name once; of a built-in rule, all changes in one entry".into()),
            "put them together, or rename one",
        );
        return None;
    }
    for entry in entries {
        match entry {
            Entry::IsOff(name) => rules.retain(|rule| rule.name != name),
            Entry::Is(rule) => match rules.iter_mut().find(|known| known.name == rule.name) {
                Some(known) => *known = *rule,
                None => rules.push(*rule),
            },
        }
    }
    Some(rules)
}

fn one(s: &Section<'_>, known: &[Rule]) -> Option<Entry> {
    let name = s.read::<String>("name");
    let enabled = s.optional::<bool>("enabled");
    let when = s.optional::<Written>("when");
    let clear = s.optional::<Option<Written>>("clear");
    let pending = s.optional::<Span>("for");
    let keep = s.optional::<Span>("keep");
    let cause = s.optional::<Cause>("cause");
    let severity = s.optional::<Severity>("severity");
    let what = s.optional::<String>("what");
    let measures = s.optional::<String>("measures");
    let advice = s.optional::<String>("advice");

    let name = name?;
    let is_name = !name.is_empty()
        && name.len() <= 40
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_name {
        let allowed = "small letters, digits and hyphens, forty at most, as \"room-low\"";
        s.refuse(
            "name",
            &format!("\"{name}\" is no name of a rule"),
            Some(allowed.into()),
            "mend it",
        );
        return None;
    }
    let name = RuleName(name);
    let old = known.iter().find(|rule| rule.name == name);
    if enabled? == Some(false) {
        if old.is_none() {
            unknown(s, &name, known, "it is switched off, and there is no such rule");
            return None;
        }
        return Some(Entry::IsOff(name));
    }
    let (when, clear) = (when?, clear?);
    let (cause, severity, what) = (cause?, severity?, what?);
    let rule = match old {
        Some(old) => Rule {
            when: when.map_or_else(|| old.when.clone(), |when| when.condition),
            clear: clear.map_or_else(|| old.clear.clone(), |clear| clear.map(|clear| clear.condition)),
            cause: cause.unwrap_or(old.cause),
            severity: severity.unwrap_or(old.severity),
            pending: pending?.map_or(old.pending, Span::duration),
            keep: keep?.map_or(old.keep, Span::duration),
            what: what.unwrap_or_else(|| old.what.clone()),
            measures: measures?.unwrap_or_else(|| old.measures.clone()),
            advice: advice?.unwrap_or_else(|| old.advice.clone()),
            name,
        },
        None => {
            let (Some(when), Some(cause), Some(severity), Some(what)) = (when, cause, severity, what) else {
                let reason = "no built-in rule is called so, and a new one needs `when`, `cause`, `severity` and `what`";
                unknown(s, &name, known, reason);
                return None;
            };
            Rule {
                when: when.condition,
                clear: clear.flatten().map(|clear| clear.condition),
                cause,
                severity,
                pending: pending?.map_or(PENDING, Span::duration),
                keep: keep?.map_or(KEEP, Span::duration),
                what,
                measures: measures?.unwrap_or_default(),
                advice: advice?.unwrap_or_default(),
                name,
            }
        }
    };
    let other_way = |clear: &crate::rule::Condition| {
        clear.metric() == rule.when.metric() && clear.worse() != rule.when.worse()
    };
    if !rule.clear.as_ref().is_none_or(other_way) {
        s.refuse(
            "clear",
            "it is not the other side of `when`",
            Some(format!(
                "the same metric (`{}`), compared the other way round",
                rule.when.metric()
            )),
            "change it with `when`, or set clear = \"\": it is over then when `when` does not hold",
        );
        return None;
    }
    Some(Entry::Is(Box::new(rule)))
}

fn unknown(s: &Section<'_>, name: &RuleName, known: &[Rule], reason: &str) {
    let names: Vec<&str> = known.iter().map(|rule| rule.name.0.as_str()).collect();
    let remedy = match nearest(&name.0, &names) {
        Some(meant) => format!("did you mean \"{meant}\"? Else add what is missing, or remove the rule"),
        None => "add what is missing, or remove the rule".to_owned(),
    };
    s.refuse(
        "name",
        &format!("\"{name}\": {reason}"),
        Some(format!("built-in ones: {}", names.join(", "))),
        &remedy,
    );
}
