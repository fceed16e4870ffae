//! The answers for two families, of which one may be late.
//!
//! Promises: it is over in bounded time; the family to begin with is taken as soon as it is there; a name of which the
//! answer for it is late is waited for once in ten minutes, and what comes later is not lost. Must not know: who is asked.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Either, select},
};
use hickory_resolver::net::NetError;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    families::Family,
    resolve::{Answered, Found, ResolveError},
};

pub(super) type Answer = Result<Vec<IpAddr>, NetError>;

/// How long the whole look-up may take.
pub(super) const LOOKUP: Duration = Duration::from_secs(5);

/// How long the other family's answer waits for the one to begin with (RFC 8305, section 3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// How long a name whose answer for a family was late is not waited for.
const LATE: Duration = Duration::from_secs(600);

/// Names of which that is remembered.
const LATE_NAMES: usize = 256;

/// Which answers were late, by name and family.
#[derive(Default)]
pub(super) struct Late(Mutex<HashMap<(String, Family), Instant>>);

impl Late {
    /// How long to wait for an answer.
    pub(super) fn patience(&self, host: &str, family: Family, now: Instant) -> Duration {
        let late = self.0.lock();
        match late.get(&(host.to_owned(), family)) {
            Some(at) if now.saturating_duration_since(*at) < LATE => Duration::ZERO,
            _ => RESOLUTION_DELAY,
        }
    }

    /// It was late, though it was waited for.
    pub(super) fn note(&self, host: &str, family: Family, now: Instant) {
        let mut late = self.0.lock();
        if late.len() >= LATE_NAMES {
            // To forget costs each name a moment.
            late.clear();
        }
        late.insert((host.to_owned(), family), now);
    }
}

/// What came of asking for both families.
pub(super) struct Outcome {
    pub(super) found: Found,
    /// Whether the family to begin with is not among it yet.
    pub(super) is_late: bool,
}

/// The addresses of the family that is `wanted` first as soon as they are there, those of the other one when `patience`
/// with the first is at its end. The rest comes late.
pub(super) async fn both(
    wanted: BoxFuture<'static, Answer>,
    other: BoxFuture<'static, Answer>,
    patience: Duration,
) -> Result<Outcome, ResolveError> {
    let ends = Instant::now() + LOOKUP;
    let late = |answer: BoxFuture<'static, Answer>| {
        let bounded = async move { timeout_at(ends, answer).await.ok()?.ok() };
        Some(bounded.map(Option::unwrap_or_default).boxed())
    };
    let race = async {
        match select(wanted, other).await {
            Either::Left((Ok(addresses), other)) if !addresses.is_empty() => Ok(Outcome {
                found: Found {
                    addresses,
                    late: late(other),
                },
                is_late: false,
            }),
            Either::Right((Ok(mut addresses), mut wanted)) if !addresses.is_empty() => {
                let answered = timeout(patience, &mut wanted).await;
                let is_late = answered.is_err();
                if let Ok(Ok(more)) = answered {
                    addresses.extend(more);
                }
                Ok(Outcome {
                    found: Found {
                        addresses,
                        late: is_late.then(|| late(wanted)).flatten(),
                    },
                    is_late,
                })
            }
            Either::Left((first, rest)) | Either::Right((first, rest)) => match rest.await {
                Ok(found) if !found.is_empty() => Ok(Outcome {
                    found: found.into(),
                    is_late: false,
                }),
                second => Err(ResolveError::NoAddress(
                    second.err().or(first.err()).map(Answered),
                )),
            },
        }
    };
    timeout_at(ends, race).await.unwrap_or(Err(ResolveError::Silent))
}

#[cfg(test)]
#[path = "tests/pair.rs"]
mod tests;
