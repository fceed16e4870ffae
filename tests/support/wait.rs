//! Waiting with a bound.
//!
//! Promises: every wait ends, and a wait that ends badly names what did not happen.
//! Must not know: what is waited for. Where the thing waited for announces itself (a log line, an exit,
//! a request seen), wait for that instead; [`until`] is for states that only can be looked at.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// The bound for things that take milliseconds on a quiet machine: generous, for CI is not quiet.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again every few milliseconds until `look` gives something.
pub async fn until<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Awaits `future`, but not for longer than `limit`.
pub async fn within<F: Future>(what: &str, limit: Duration, future: F) -> F::Output {
    match timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}
