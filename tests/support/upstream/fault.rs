//! The faults an upstream can play, and the script that says when.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use super::{Gate, Kind, Request};

/// A place in a blob or manifest, counted in the whole of it, whatever range was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Byte(u64),
    Half,
    /// The last byte.
    Last,
}

impl At {
    pub(super) fn offset(self, total: u64) -> u64 {
        match self {
            Self::Byte(offset) => offset.min(total),
            Self::Half => total / 2,
            Self::Last => total.saturating_sub(1),
        }
    }
}

/// What goes wrong with an answer.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, with the specification's error body.
    Status(u16),
    /// This status with a `Retry-After`, in seconds or as a date.
    RetryAfter(u16, String),
    /// 401 with a challenge, whatever token was sent.
    Challenge,
    /// Takes the whole upstream down: this connection is reset, later ones are refused.
    Refused,
    ResetBeforeHeaders,
    ResetAfterHeaders,
    /// Never an answer.
    Silence,
    /// The answer comes late.
    Late(Duration),
    /// Nothing more after this place, and the connection stays open.
    StallAt(At),
    /// The connection is closed at this place, in order, and short of the promised length.
    CutAt(At),
    /// The connection is reset at this place.
    ResetAt(At),
    /// All of it, but without saying how much.
    Chunked,
    /// `Docker-Content-Digest` names something else.
    WrongDigest,
    /// No `Docker-Content-Digest`.
    NoDigest,
    /// One byte is not what it was.
    FlipByte(At),
    /// A captive portal: 200 and a page.
    Html,
    /// To a CDN address that is not good any more.
    ExpiredRedirect,
    /// To itself.
    RedirectLoop,
    /// To somewhere else.
    RedirectTo(String),
    /// 200 and everything, whatever range was asked for.
    IgnoreRange,
    /// 206 with the right bytes under a wrong label.
    WrongContentRange,
    /// A body that is gzip on the wire, and says so.
    ContentEncoding,
    /// A token that says that it ran out long ago, by a clock that is not ours.
    StaleToken,
    /// So many bytes a second.
    Trickle(u64),
    /// Waits at this place for the test.
    Hold(At, Gate),
    /// One more header, and otherwise healthy.
    Header(&'static str, String),
}

/// Which of the matching requests are hit.
#[derive(Clone, Copy, Debug)]
pub enum Times {
    Always,
    /// The first so many.
    First(u64),
    /// Only this one, counted from 1.
    Nth(u64),
    /// All after so many.
    After(u64),
}

/// A fault and when it is played.
#[derive(Clone, Debug)]
pub struct Rule {
    kind: Option<Kind>,
    path_end: String,
    times: Times,
    fault: Fault,
    seen: Arc<AtomicU64>,
    played: Arc<AtomicU64>,
}

impl Rule {
    /// Played on every request of this kind.
    pub fn on(kind: Kind, fault: Fault) -> Self {
        Self {
            kind: Some(kind),
            ..Self::on_all(fault)
        }
    }

    /// Played on every request.
    pub fn on_all(fault: Fault) -> Self {
        Self {
            kind: None,
            path_end: String::new(),
            times: Times::Always,
            fault,
            seen: Arc::default(),
            played: Arc::default(),
        }
    }

    /// Only on some of them.
    pub fn times(mut self, times: Times) -> Self {
        self.times = times;
        self
    }

    /// Only for this digest or tag.
    pub fn of(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.path_end);
        self
    }

    /// How often it was played.
    pub fn played(&self) -> u64 {
        self.played.load(SeqCst)
    }

    /// Counts the request, if it is one of those meant, and says whether it is one to be hit.
    fn hits(&self, request: &Request) -> bool {
        if self.kind.is_some_and(|kind| kind != request.kind()) || !request.path.ends_with(&self.path_end) {
            return false;
        }
        let nth = self.seen.fetch_add(1, SeqCst) + 1;
        match self.times {
            Times::Always => true,
            Times::First(count) => nth <= count,
            Times::Nth(wanted) => nth == wanted,
            Times::After(count) => nth > count,
        }
    }
}

/// The rules in force. Each counts every request it is about; of those that hit, the first one is played.
#[derive(Default)]
pub struct Script {
    rules: Mutex<Vec<Rule>>,
}

impl Script {
    /// Adds a rule; the one given back counts along.
    pub fn add(&self, rule: Rule) -> Rule {
        self.rules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(rule.clone());
        rule
    }

    /// Plays a fault on every request of this kind.
    pub fn always(&self, kind: Kind, fault: Fault) -> Rule {
        self.add(Rule::on(kind, fault))
    }

    /// Plays a fault on the first request of this kind.
    pub fn once(&self, kind: Kind, fault: Fault) -> Rule {
        self.add(Rule::on(kind, fault).times(Times::First(1)))
    }

    /// All is well from now on.
    pub fn clear(&self) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn fault_for(&self, request: &Request) -> Option<Fault> {
        let rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let hitting: Vec<&Rule> = rules.iter().filter(|rule| rule.hits(request)).collect();
        let rule = hitting.first()?;
        rule.played.fetch_add(1, SeqCst);
        Some(rule.fault.clone())
    }
}
