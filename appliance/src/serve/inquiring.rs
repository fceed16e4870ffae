//! Asking those who failed whether they are back.
//!
//! Calls show how upstreams are, and where nobody pulls there are none: an outage would last until somebody does.
//! Promises: only who failed is asked, seldom, and through its breaker; what is asked for costs nothing at any registry.
//! Must not know: who wants to know.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::facts::Facts;
use crate::{
    oci::{Algorithm, Digest, RepositoryPath},
    source::{Health, Source as _},
    upstream::Endpoint,
};

/// Rounds of samples from one time to the next.
const EVERY: u32 = 6;
/// For an answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// Asks again and again, until it is dropped.
pub(super) async fn inquire(facts: Arc<Facts>) {
    // Whether it is there is of no interest. That somebody says so is.
    let Ok(path) = "library/hello-world".parse::<RepositoryPath>() else {
        return;
    };
    let nothing = Digest::of(Algorithm::Sha256, b"");
    // Who is not looked after is not asked for: nobody would be told.
    let Some(round) = facts.site.load().config.monitor.interval.interval() else {
        return;
    };
    let mut due = interval(round * EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let failing: Vec<Arc<Endpoint>> = facts
            .all_endpoints()
            .into_iter()
            .filter(|endpoint| !matches!(endpoint.health(), Health::Closed { .. }))
            .collect();
        let asked = failing
            .iter()
            .map(|endpoint| endpoint.stat_blob(&path, &nothing, Instant::now() + PATIENCE));
        // What came of it is in each endpoint's book.
        drop(join_all(asked).await);
    }
}
