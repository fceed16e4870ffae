//! Knocks at the box's own door again and again, and says whether it is answered.
//!
//! Promises: what the house cannot help (no descriptor, no upstream configured) is no fault of it. Must not know: what
//! follows from silence.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::time::{MissedTickBehavior, interval};

use super::facts::Site;
use crate::{
    heartbeat::Beat,
    mirror::{OWN_BLOB, own_blob},
    watchdog::{Answer, Knock, doors},
};

/// From knock to knock.
const EVERY: Duration = Duration::from_secs(30);

/// How this process knows its own knocks: what clients do is counted and told, and these are not.
#[derive(Clone, Debug)]
pub(super) struct Mark(Arc<str>);

impl Default for Mark {
    fn default() -> Self {
        Self(format!("larder-knock/{:016x}", fastrand::u64(..)).into())
    }
}

impl Mark {
    pub(super) fn is_on(&self, headers: &http::HeaderMap) -> bool {
        let agent = headers.get(http::header::USER_AGENT);
        agent.is_some_and(|agent| agent.as_bytes() == self.0.as_bytes())
    }
}

/// What to ask for, as the house is configured now.
pub(super) fn knock(site: &Site, mark: &Mark) -> Option<Knock> {
    let upstream = &site.config.upstreams.first()?.name;
    Some(Knock {
        path: format!("/v2/{upstream}/larder/knock/blobs/{}", own_blob()),
        content: OWN_BLOB,
        mark: mark.0.to_string(),
    })
}

/// Goes on for ever.
pub(super) async fn keep_knocking(bound: SocketAddr, site: Arc<ArcSwap<Site>>, mark: Mark, beat: Beat) {
    let _work = beat.work();
    let doors = doors(bound);
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let knock = knock(&site.load(), &mark);
        if all_answer(&doors, knock.as_ref()).await {
            beat.step();
        }
    }
}

async fn all_answer(doors: &[SocketAddr], knock: Option<&Knock>) -> bool {
    let Some(knock) = knock else { return true };
    let mut right = true;
    for door in doors {
        match knock.at(*door).await {
            Answer::Right => {}
            Answer::Unknown(error) => {
                tracing::debug!(%door, %error, "it cannot be seen whether it is served here");
            }
            Answer::Wrong(why) => {
                tracing::warn!(why, "a blob of our own is not served");
                right = false;
            }
        }
    }
    right
}
