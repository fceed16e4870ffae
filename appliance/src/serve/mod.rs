//! `larder serve`: builds the house from the configuration, opens the door, and closes it in order.
//!
//! The only room that knows all others: `build` makes each from its part of the configuration, `service` puts
//! them together, `house` is what answers; `facts` (with `status`, `readings`, `figures`, `line`) and `hands` are what the
//! console asks and does; `reload` changes what can change. Promises: a second signal ends the process at once.

mod alerting;
mod build;
mod changes;
mod collecting;
mod endpoints;
mod facts;
mod figures;
mod hands;
mod house;
mod inspecting;
mod knocking;
mod limits;
mod line;
mod monitoring;
mod obtaining;
mod pages;
mod readings;
mod record;
mod reload;
mod service;
mod status;
mod upstreams;
mod watch;
mod welcome;

use std::{io, path::PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cache::CacheError,
    config::{Config, Inputs},
    listen::ListenError,
    telemetry::Log,
    upstream::UpstreamError,
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
    #[error("start watching the box")]
    Monitor(#[source] io::Error),
    #[error("wait for signals")]
    Signals(#[source] io::Error),
}

/// Runs the mirror until a signal ends it. `inputs` are what the configuration was made from.
pub async fn run(config: Config, inputs: Inputs, log: Log) -> Result<(), ServeError> {
    limits::raise_open_files();
    // Before the door opens: whoever sees it open may ask for its end at once.
    let mut stop = Signals::new().map_err(ServeError::Signals)?;
    let service = tokio::select! {
        started = Service::start(config, inputs, log) => started?,
        // Nothing was promised to anybody yet.
        () = stop.ending() => return Ok(()),
    };
    service.greet();
    while stop.next().await == Signal::Reload {
        service.reload().await;
    }
    service.stop(stop.ending()).await;
    Ok(())
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    End,
    Reload,
}

/// SIGTERM and SIGINT, and SIGHUP.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    async fn ending(&mut self) {
        while self.next().await != Signal::End {}
    }
}

#[cfg(test)]
mod tests;
