//! What can be measured, and what is bad: the words of rules.
//!
//! | file | what |
//! |---|---|
//! | [`metric`] | what can be measured: names, units, what is possible |
//! | [`condition`] | conditions over metrics, as people write them |
//! | [`builtin`] | the rules that every box begins with |
//! | [`cause`] | which fault explains which: the fixed tree |
//! | [`terms`] | what of a rule decides how its incidents go |
//!
//! A vocabulary, like [`crate::oci`]: values that are valid by construction. Must not know: how anything is measured,
//! who is told.

mod builtin;
mod cause;
mod condition;
mod metric;
mod pattern;
mod terms;

use std::time::Duration;

pub use builtin::{Broken, builtin};
pub use cause::Cause;
pub use condition::{Condition, Samples, Unreadable, Verdict};
pub use metric::{Label, Metric, NoSuchMetric, Series, Unit};
pub use pattern::matches;
pub use terms::{Direction, RuleName, Severity, Terms};

/// When something is wrong, and what is to be said then.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub name: RuleName,
    /// It is bad while this holds.
    pub when: Condition,
    /// It is fine when this holds; without it, when `when` does not.
    pub clear: Option<Condition>,
    pub cause: Cause,
    pub severity: Severity,
    /// It has to be bad, and then fine, for so long.
    pub pending: Duration,
    pub keep: Duration,
    /// What is wrong, in a few words.
    pub what: String,
    /// What the box does about it by itself.
    pub measures: String,
    /// What its owner can do.
    pub advice: String,
}
