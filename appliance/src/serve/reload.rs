//! Reading the configuration again while the box runs: on SIGHUP, and when somebody asks.
//!
//! Promises: a configuration with a mistake changes nothing; one reload at a time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{
    ServeError, alerting::Alerting, changes, endpoints::Opened, facts::Site, monitoring::Pulse, upstreams,
};
use crate::{
    api::Reloaded,
    config::{self, ConfigError, Inputs},
    mirror::{Mirror, Pace},
    source::chain,
    telemetry::Log,
    upstream::Client,
};

/// Why the configuration stays as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("apply the configuration")]
    Apply(#[from] ServeError),
}

/// What is changed by a reload.
pub(super) struct Reloader {
    pub(super) inputs: Inputs,
    pub(super) site: Arc<ArcSwap<Site>>,
    pub(super) mirror: Mirror,
    pub(super) client: Client,
    pub(super) opened: Opened,
    pub(super) pace: Pace,
    pub(super) log: Log,
    pub(super) alerting: Arc<Alerting>,
    pub(super) pulse: Pulse,
    pub(super) turn: Mutex<()>,
}

impl Reloader {
    /// Reads and applies the configuration, and logs how it went. Reads files: not for a thread that serves.
    pub(super) fn reload(&self) -> Result<Reloaded, ReloadError> {
        let _turn = self.turn.lock();
        let result = self.apply();
        match &result {
            Ok(Reloaded {
                applied,
                needs_restart,
            }) => tracing::info!(?applied, ?needs_restart, "configuration read again"),
            Err(error) => {
                tracing::error!(error = %chain(error), "the configuration stays as it was");
            }
        }
        result
    }

    fn apply(&self) -> Result<Reloaded, ReloadError> {
        let read = config::load(&self.inputs)?.config;
        let site = self.site.load_full();
        let (config, told) = changes::merge(&site.config, read);
        let made = upstreams::make(&config, &self.client, &site.made)?;
        let rules = upstreams::rules(&config, &made, &self.client, &self.opened, &self.pace);
        self.mirror.change(rules);
        self.log.set_level(&config.log.level);
        self.alerting.apply(&config.alert, &self.pulse);
        self.site.store(Arc::new(Site { config, made }));
        Ok(told)
    }
}
