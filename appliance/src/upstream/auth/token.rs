//! Tokens: got once, kept for as long as they hold, got again ahead of their end.
//!
//! Promises: one request per scope at a time, whoever else wants the token waits for it and shares its
//! failure; expiry is counted on the monotonic clock from the moment the request was sent, so that a wrong
//! wall clock, here or there, does not matter; bounded in number. Must not know: how a token is fetched.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::upstream::failure::Failure;

/// The life of a token that does not say how long it lives, and the least that is believed: both are the
/// token specification's.
const LEAST: Duration = Duration::from_secs(60);

/// The most that is believed. Nothing is lost by asking once an hour.
const MOST: Duration = Duration::from_secs(3600);

/// Scopes that are remembered.
const SCOPES: usize = 1024;

/// What a token is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::upstream) struct Scope {
    pub(in crate::upstream) realm: String,
    pub(in crate::upstream) service: Option<String>,
    pub(in crate::upstream) scope: String,
}

/// A token as it was got.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Token {
    /// The whole `Authorization` header. Marked sensitive: it does not show in debug output.
    pub(in crate::upstream) header: HeaderValue,
    asked: Instant,
    life: Duration,
}

impl Token {
    /// `life` is what the answer said, if it did.
    pub(in crate::upstream) fn new(mut header: HeaderValue, asked: Instant, life: Option<Duration>) -> Self {
        header.set_sensitive(true);
        Self {
            header,
            asked,
            life: life.unwrap_or(LEAST).clamp(LEAST, MOST),
        }
    }

    fn holds(&self, now: Instant) -> bool {
        now < self.asked + self.life
    }

    /// The last tenth of its life: time to get the next one.
    fn is_stale(&self, now: Instant) -> bool {
        now >= self.asked + self.life * 9 / 10
    }
}

/// Whether a token was got for this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Age {
    Fresh,
    Kept,
}

/// The tokens of one endpoint.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Tokens(Mutex<HashMap<Scope, Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    /// Held while the token is fetched.
    turn: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    token: Option<Token>,
    failed: Option<(Instant, Failure)>,
}

impl Tokens {
    /// The token for a scope: the kept one, or the one that `fetch` gets.
    pub(in crate::upstream) async fn get<F>(
        &self,
        scope: &Scope,
        fetch: impl FnOnce() -> F,
    ) -> Result<(HeaderValue, Age), Failure>
    where
        F: Future<Output = Result<Token, Failure>>,
    {
        let arrived = Instant::now();
        let slot = self.slot(scope);
        if let Some(kept) = slot.kept(arrived) {
            return Ok((kept, Age::Kept));
        }
        let _turn = slot.turn.lock().await;
        if let Some(outcome) = slot.since(arrived) {
            return outcome;
        }
        match fetch().await {
            Ok(token) => {
                let header = token.header.clone();
                *slot.known.lock() = Known {
                    token: Some(token),
                    failed: None,
                };
                Ok((header, Age::Fresh))
            }
            Err(failure) => {
                let now = Instant::now();
                let mut known = slot.known.lock();
                if let Some(token) = known.token.as_ref().filter(|token| token.holds(now)) {
                    // It came early for the next one: what is kept still does.
                    return Ok((token.header.clone(), Age::Kept));
                }
                known.failed = Some((now, failure.clone()));
                Err(failure)
            }
        }
    }

    /// The registry refused this token: it is not used again.
    pub(in crate::upstream) fn drop_refused(&self, scope: &Scope, header: &HeaderValue) {
        let slot = self.slot(scope);
        let mut known = slot.known.lock();
        if known.token.as_ref().is_some_and(|token| token.header == *header) {
            known.token = None;
        }
    }

    fn slot(&self, scope: &Scope) -> Arc<Slot> {
        let mut slots = self.0.lock();
        if slots.len() >= SCOPES && !slots.contains_key(scope) {
            // So many scopes are rare; to forget costs one token request each.
            slots.clear();
        }
        slots.entry(scope.clone()).or_default().clone()
    }
}

impl Slot {
    fn kept(&self, now: Instant) -> Option<HeaderValue> {
        let known = self.known.lock();
        let token = known.token.as_ref().filter(|token| !token.is_stale(now))?;
        Some(token.header.clone())
    }

    /// What came out of a fetch that ended while this caller waited for its turn.
    fn since(&self, arrived: Instant) -> Option<Result<(HeaderValue, Age), Failure>> {
        if let Some(kept) = self.kept(Instant::now()) {
            // Asked for after this caller came: as good as its own.
            return Some(Ok((kept, Age::Fresh)));
        }
        let known = self.known.lock();
        let (at, failure) = known.failed.as_ref()?;
        (*at >= arrived).then(|| Err(failure.clone()))
    }
}

#[cfg(test)]
#[path = "../tests/token.rs"]
mod tests;
