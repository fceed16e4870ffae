//! The mirror in this process, for who wants to try it: built and closed as `larder serve` does it.
//!
//! Left out is what would act on the process or its machine: signals, and the watchdog, which ends the one and resets the
//! other. Must not know: what it is tried for.

use std::net::SocketAddr;

use super::{ServeError, limits, service::Service, watched::Watched};
use crate::{
    cache::Disk,
    config::{Config, Inputs},
    memory::Budget,
    telemetry::Log,
};

/// A mirror that serves. Dropped without [`Running::stop`] it ends with its runtime.
pub struct Running(Service);

impl Running {
    /// Starts it as configured, on a disk that may be made to fail.
    pub async fn start(config: Config, inputs: Inputs, disk: Disk) -> Result<Self, ServeError> {
        limits::raise_open_files();
        let started = Service::start(config, inputs, Log::nowhere(), Watched::default(), disk);
        Ok(Self(started.await?))
    }

    /// Where it listens for plain HTTP, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.bound().http
    }

    /// The process id of the collector's worker, while there is one.
    pub fn worker(&self) -> Option<u32> {
        self.0.facts.janitor.state().worker?.process
    }

    /// Its memory for bytes in flight; to be looked at also when it has ended.
    pub fn budget(&self) -> Budget {
        self.0.facts.mirror.budget().clone()
    }

    /// Requests and fills that are under way.
    pub fn under_way(&self) -> u64 {
        let totals = self.0.facts.metrics.totals();
        totals.fills_in_flight + totals.answering
    }

    /// Ends it in order; what is in flight may finish until `hurry` is over.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        self.0.stop(hurry).await;
    }
}
