//! A dead man's heartbeat: somebody elsewhere is called while all is well, and raises the alarm when no call comes.
//!
//! Promises: nobody is called while the box does not know itself to be well; a call that failed is made again before the
//! next one is due. Must not know: what well means.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    http::{Call, Http},
    line::{Line, Trust, Unusable},
    undelivered::Undelivered,
};
use crate::{
    backoff::Backoff,
    config::{HeartbeatConfig, ServiceUrl},
};

/// How the box is, as far as it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wellbeing {
    Well,
    /// What watches the box does not work, or nobody knows.
    Doubtful,
}

/// The heart.
pub struct Heartbeat {
    url: ServiceUrl,
    every: Duration,
    http: Http,
}

impl Heartbeat {
    pub fn new(config: &HeartbeatConfig, line: &Line) -> Result<Self, Unusable> {
        Ok(Self {
            url: config.url.clone(),
            every: config.every,
            http: line.http(&Trust {
                whose: "the heartbeat".to_owned(),
                ca_file: None,
            })?,
        })
    }

    /// Beats until it is dropped; the first time at once.
    pub async fn run(self, wellbeing: impl Fn() -> Wellbeing) {
        // Within one interval there is time for a few calls more.
        let mut pauses = Backoff::new(self.every / 10, self.every / 2);
        let mut rng = fastrand::Rng::new();
        loop {
            let pause = match wellbeing() {
                Wellbeing::Doubtful => self.every / 10,
                Wellbeing::Well => match self.beat().await {
                    Ok(()) => {
                        pauses.reset();
                        self.every
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the heartbeat was not heard");
                        pauses.next(&mut rng)
                    }
                },
            };
            sleep(pause).await;
        }
    }

    async fn beat(&self) -> Result<(), Undelivered> {
        self.http.send(Call::get(&self.url)).await
    }
}
