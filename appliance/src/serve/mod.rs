//! `larder serve`: builds the house from the configuration, opens the door, and closes it in order.
//!
//! The only room that knows all others: `build` makes each from its part of the configuration, `service` puts
//! them together, `house` is what answers; `facts` (with `status` and `readings`) and `hands` are what the
//! console asks and does. Promises: a second signal ends the process at once.

mod build;
mod endpoints;
mod facts;
mod hands;
mod house;
mod limits;
mod pages;
mod readings;
mod record;
mod service;
mod status;
mod welcome;

use std::{io, path::PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cache::CacheError, config::Config, listen::ListenError, telemetry::Log, upstream::UpstreamError,
};
use service::Service;

/// Why the mirror cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("create the folder {path}")]
    Folder { path: PathBuf, source: io::Error },
    #[error("open the cache")]
    Cache(#[source] CacheError),
    #[error("set up the upstreams")]
    Upstream(#[source] UpstreamError),
    #[error("read the proxy's variables")]
    Proxy(#[source] crate::upstream::InvalidProxy),
    #[error("read an endpoint")]
    Endpoint(#[source] crate::upstream::InvalidEndpoint),
    #[error("read {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("open the door")]
    Listen(#[source] ListenError),
    #[error("prepare the certificate")]
    Certificate(#[source] crate::tls::TlsError),
    #[error("wait for signals")]
    Signals(#[source] io::Error),
}

/// Runs the mirror until a signal ends it.
pub async fn run(config: Config, log: Log) -> Result<(), ServeError> {
    limits::raise_open_files();
    let service = Service::start(config, log).await?;
    service.greet();
    let mut stop = Signals::new().map_err(ServeError::Signals)?;
    stop.wait().await;
    service.stop(stop.wait()).await;
    Ok(())
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests;
