//! The book of one endpoint: its breaker, its limits, and what to tell about it.
//!
//! Promises: a call that was let in is always accounted for, also when it is dropped half-way ([`Pass`]).
//! No lock is held across an await. Must not know: HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{
    failure::{Failure, Kind},
    health::{Breaker, Failing, Leave, Outcome},
    ledger::Ledger,
    operation::{Class, Operation},
};
use crate::{
    backoff::Backoff,
    source::{Fault, Health, chain},
};

/// How long a registry that limits without saying for how long is left alone.
const DEFAULT_LIMIT: Duration = Duration::from_secs(60);

/// A call that had less time than this and got no answer says nothing about the endpoint.
const PATIENCE: Duration = Duration::from_millis(250);

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// The error and its causes on one line.
    pub text: String,
    /// A word of [`Fault::word`].
    pub fault: &'static str,
    pub ago: Duration,
}

#[derive(Debug)]
pub(super) struct Record {
    book: Mutex<Book>,
    wan_bytes: AtomicU64,
    requests: AtomicU64,
}

#[derive(Debug)]
struct Book {
    breaker: Breaker,
    /// By [`Class`].
    limited: [Option<Instant>; 3],
    ledger: Option<Ledger>,
    last_error: Option<(String, &'static str, Instant)>,
    /// Smoothed time to the head of a response.
    latency: Option<Duration>,
    faults: Vec<(&'static str, u64)>,
}

/// All there is to tell, read at once.
pub(super) struct Reading {
    pub(super) health: Health,
    pub(super) answered: Option<Duration>,
    pub(super) failing: Option<Failing>,
    pub(super) ledger: Option<Ledger>,
    pub(super) last_error: Option<LastError>,
    pub(super) latency: Option<Duration>,
    pub(super) faults: Vec<(&'static str, u64)>,
    pub(super) wan_bytes: u64,
    pub(super) requests: u64,
}

impl Record {
    pub(super) fn new(rest: Duration, longest_rest: Duration, rng: fastrand::Rng) -> Arc<Self> {
        Arc::new(Self {
            book: Mutex::new(Book {
                breaker: Breaker::new(Backoff::new(rest, longest_rest), rng),
                limited: [None; 3],
                ledger: None,
                last_error: None,
                latency: None,
                faults: Vec::new(),
            }),
            wan_bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        })
    }

    /// Lets a call through, or says why not.
    pub(super) fn admit(self: &Arc<Self>, operation: Operation, now: Instant) -> Result<Pass, Failure> {
        let mut book = self.book.lock();
        let class = operation.class();
        if let Some(until) = book.limited[class as usize]
            && until > now
        {
            return Err(Failure::because(
                Kind::Limited(Some(until - now)),
                "not asked: the registry wants fewer requests for a while",
            ));
        }
        book.limited[class as usize] = None;
        let leave = book.breaker.admit(now).map_err(|retry_in| {
            Failure::because(Kind::Resting(retry_in), "not asked: it failed a moment ago")
        })?;
        self.requests.fetch_add(1, Relaxed);
        Ok(Pass {
            leave,
            record: self.clone(),
            class,
            since: now,
        })
    }

    /// A response's head arrived.
    pub(super) fn head(&self, waited: Duration, ledger: Option<Ledger>) {
        let mut book = self.book.lock();
        // An eighth, as TCP smooths its round trips (RFC 6298).
        book.latency = Some(match book.latency {
            Some(before) => (before * 7 + waited) / 8,
            None => waited,
        });
        if ledger.is_some() {
            book.ledger = ledger;
        }
    }

    pub(super) fn health(&self, now: Instant) -> Health {
        self.book.lock().breaker.health(now)
    }

    pub(super) fn read(&self, now: Instant) -> Reading {
        let book = self.book.lock();
        Reading {
            health: book.breaker.health(now),
            answered: book.breaker.answered(now),
            failing: book.breaker.failing(now),
            ledger: book.ledger,
            last_error: book.last_error.as_ref().map(|(text, fault, at)| LastError {
                text: text.clone(),
                fault,
                ago: now.saturating_duration_since(*at),
            }),
            latency: book.latency,
            faults: book.faults.clone(),
            wan_bytes: self.wan_bytes.load(Relaxed),
            requests: self.requests.load(Relaxed),
        }
    }

    fn end(&self, pass: &Pass, failure: Option<&Failure>, silence: Duration, now: Instant) {
        let mut book = self.book.lock();
        // It has said something to others meanwhile: it is not the endpoint that is silent.
        let is_alive = book.breaker.answered(now).is_some_and(|ago| ago < silence);
        if let Some(failure) = failure {
            book.note(failure, pass.class, now);
        }
        let outcome = match failure.map(|failure| failure.kind) {
            None => Some(Outcome::Answered),
            Some(Kind::Silent) if now.saturating_duration_since(pass.since) < PATIENCE => None,
            Some(Kind::Silent) if is_alive => Some(Outcome::Broken),
            Some(kind) => kind.outcome(),
        };
        match outcome {
            Some(outcome) => book.breaker.end(pass.leave, outcome, now),
            None => book.breaker.abandon(pass.leave),
        }
    }
}

impl Book {
    fn note(&mut self, failure: &Failure, class: Class, now: Instant) {
        let word = failure.kind.fault().word();
        match self.faults.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => self.faults.push((word, 1)),
        }
        if let Fault::Limited { retry_after } = failure.kind.fault() {
            self.limited[class as usize] = Some(now + retry_after.unwrap_or(DEFAULT_LIMIT));
        }
        if failure.kind != Kind::NotFound {
            self.last_error = Some((chain(&*failure.cause), word, now));
        }
    }
}

/// One call that was let through, until its last byte. Dropped before anything was said about it, it was
/// cancelled and counts for nothing.
#[derive(Debug)]
pub(super) struct Pass {
    leave: Leave,
    record: Arc<Record>,
    class: Class,
    since: Instant,
}

impl Pass {
    /// The endpoint answered. May be said twice: for the head, and for the end of a body.
    pub(super) fn answered(&self) {
        self.record.end(self, None, Duration::ZERO, Instant::now());
    }

    /// The call, or the body that followed it, failed.
    pub(super) fn failed(&self, failure: &Failure) {
        self.stalled(failure, Duration::ZERO);
    }

    /// The same of a body, to which nothing was added for so long.
    pub(super) fn stalled(&self, failure: &Failure, silence: Duration) {
        self.record.end(self, Some(failure), silence, Instant::now());
    }

    pub(super) fn received(&self, bytes: usize) {
        self.record.wan_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.record.book.lock().breaker.abandon(self.leave);
    }
}
