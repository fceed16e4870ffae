//! What nobody wants to hear of for a while.
//!
//! Promises: a silence ends by itself. What began within one and lasts longer is told when it ends. Must not know:
//! what an incident is made of.

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::{clock::Timestamp, rule::matches};

/// The most silences at a time: each is looked at for each incident.
const MOST: usize = 64;

/// One silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    pub id: u64,
    /// The rule's name; `*` stands for any text.
    pub rule: String,
    /// Which thing; `*` stands for any text.
    pub of: String,
    pub until: Timestamp,
    /// Why, as its maker said.
    pub comment: String,
}

impl Silence {
    fn covers(&self, subject: &Subject, now: Timestamp) -> bool {
        now < self.until && matches(&self.rule, &subject.rule.0) && matches(&self.of, &subject.of)
    }
}

/// There are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are {MOST} silences already: end one, or make one that covers several")]
pub struct TooMany;

/// All that have not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silences {
    next: u64,
    list: Vec<Silence>,
}

impl Silences {
    /// Adds one. Its number.
    pub fn add(
        &mut self,
        rule: &str,
        of: &str,
        until: Timestamp,
        comment: &str,
        now: Timestamp,
    ) -> Result<u64, TooMany> {
        self.forget_old(now);
        if self.list.len() >= MOST {
            return Err(TooMany);
        }
        self.next += 1;
        self.list.push(Silence {
            id: self.next,
            rule: rule.to_owned(),
            of: of.to_owned(),
            until,
            comment: comment.to_owned(),
        });
        Ok(self.next)
    }

    /// Ends one. Whether there was such a one.
    pub fn end(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|silence| silence.id != id);
        self.list.len() < before
    }

    /// The silence that covers a subject now.
    pub fn covering(&self, subject: &Subject, now: Timestamp) -> Option<&Silence> {
        self.list.iter().find(|silence| silence.covers(subject, now))
    }

    pub fn list(&self) -> &[Silence] {
        &self.list
    }

    fn forget_old(&mut self, now: Timestamp) {
        self.list.retain(|silence| now < silence.until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_an_end_to_silences() {
        let mut silences = Silences::default();
        let now = Timestamp(100);
        for _ in 0..MOST {
            silences.add("a", "*", Timestamp(200), "", now).expect("room");
        }
        assert_eq!(silences.add("a", "*", Timestamp(200), "", now), Err(TooMany));
        let id = silences
            .add("a", "*", Timestamp(300), "", Timestamp(200))
            .expect("the others have ended");
        assert_eq!(silences.list().len(), 1);
        assert!(silences.end(id));
        assert!(!silences.end(id));
    }
}
