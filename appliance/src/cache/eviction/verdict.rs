//! Why not enough could be freed, in numbers that can be told to a person.

use std::fmt;

use super::{
    amount::Amount,
    catalog::{Catalog, Hold, MemberId, number},
};

/// How a plan stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The goal is met.
    Met,
    /// It is not met yet, and there are more steps.
    Open,
    /// It is not met, and nothing more can go.
    Short(Verdict),
}

/// What there is, and what of it has to stay. What has to stay for several reasons counts for the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub goal: Amount,
    pub freed: Amount,
    /// All that was here before.
    pub total: Amount,
    /// Pinned, or needed by what is.
    pub pinned: Amount,
    /// In use, or needed by what is.
    pub in_use: Amount,
    /// Came a moment ago, or needed by what did.
    pub young: Amount,
}

impl Verdict {
    pub(super) fn of(catalog: &Catalog, goal: Amount, freed: Amount) -> Self {
        let mut verdict = Self {
            goal,
            freed,
            total: catalog.total(),
            ..Self::default()
        };
        for (member, hold) in catalog.holds.iter().enumerate() {
            let amount = catalog.amount(MemberId(number(member)));
            if hold.has(Hold::PINNED) {
                verdict.pinned += amount;
            } else if hold.has(Hold::IN_USE) {
                verdict.in_use += amount;
            } else if hold.has(Hold::YOUNG) {
                verdict.young += amount;
            }
        }
        verdict
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot free {}, only {}: of {}, pinned {}, in use {}, just arrived {}",
            self.goal, self.freed, self.total, self.pinned, self.in_use, self.young
        )
    }
}
