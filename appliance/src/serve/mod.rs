//! `larder serve`: builds the house from the configuration, opens the door, and closes it in order.
//!
//! The only room that knows all others: `build` makes each from its part of the configuration, `service` puts
//! them together, `house` is what answers; `facts` (with `status`, `readings`, `figures`, `line`) and `hands` are what the
//! console asks and does; `reload` changes what can change; `running` and `telling` are the same house, or a part of it,
//! for who wants to try it in this process. Promises: a second signal ends the process at once.

mod alerting;
mod build;
mod changes;
mod collecting;
mod device;
mod endpoints;
mod facts;
mod figures;
mod hands;
mod house;
mod inquiring;
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
mod running;
mod service;
mod status;
mod telling;
mod upstreams;
mod watch;
mod watched;
mod watching;
mod welcome;

use std::{io, path::PathBuf};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{SignalKind, signal},
};

use crate::{
    cache::{CacheError, Disk},
    config::{Config, Inputs},
    listen::ListenError,
    telemetry::Log,
    upstream::UpstreamError,
};
pub use running::Running;
use service::Service;
pub use telling::Telling;
use watching::Watching;

/// Threads for what blocks: hashing, writing, cold reads. More of them would only queue at the disk.
const BLOCKING_THREADS: usize = 64;

/// What a mirror runs in.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
}

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
    #[error("start the watchdog")]
    Watchdog(#[source] io::Error),
    #[error("wait for signals")]
    Signals(#[source] io::Error),
}

/// Runs the mirror until a signal ends it. `inputs` are what the configuration was made from.
pub async fn run(config: Config, inputs: Inputs, log: Log) -> Result<(), ServeError> {
    limits::raise_open_files();
    let mut watching = Watching::start(&config)?;
    // Before the door opens: whoever sees it open may ask for its end at once.
    let mut stop = Signals::new().map_err(ServeError::Signals)?;
    let service = tokio::select! {
        started = Service::start(config, inputs, log, watching.watched(), Disk::real()) => started?,
        // Nothing was promised to anybody yet.
        () = stop.ending() => return Ok(()),
    };
    service.greet();
    watching.house(&service);
    while stop.next().await == Signal::Reload {
        service.reload().await;
    }
    watching.stopping();
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
