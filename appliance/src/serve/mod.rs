//! `larder serve`: builds the house from the configuration, opens the door, and closes it in order.
//!
//! The only room that knows all others. Promises: the door opens as soon as the index is open, whatever the
//! WAN and the rest of the disk do; what can wait (recovery, unfinished fills) waits until it is open; a
//! second signal ends the process at once.

mod build;
mod house;
mod limits;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cache::{Cache, CacheError},
    clock::Clock,
    config::Config,
    listen::{ListenError, Listeners, bind},
    memory::Pool,
    metrics::Metrics,
    registry::Registry,
    source::chain,
    upstream::UpstreamError,
};
use house::House;

/// How long what is in flight may go on after a signal. Container runtimes and service managers give a
/// process 10 s at least before they kill it.
const GRACE: Duration = Duration::from_secs(8);

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
pub async fn run(config: Config) -> Result<(), ServeError> {
    limits::raise_open_files();
    let create = std::fs::create_dir_all(&config.data_dir);
    create.map_err(|source| ServeError::Folder {
        path: config.data_dir.clone(),
        source,
    })?;
    let clock = Clock::system();
    let pool = Pool::new(config.fetch.buffer_bytes.bytes());
    let cache = Cache::open(build::cache_options(&config), clock.clone())
        .await
        .map_err(ServeError::Cache)?;
    let metrics = Arc::<Metrics>::default();
    let client = build::client(&config, &clock)?;
    let (upstreams, _endpoints) = build::upstreams(&config, &client)?;
    let mirror = build::mirror(
        &config,
        upstreams,
        cache.clone(),
        pool.clone(),
        clock.clone(),
        metrics.clone(),
    );
    let house = House {
        registry: Registry::new(mirror.clone()),
        metrics,
    };

    let mut listeners = Listeners::default();
    if let Some(address) = config.listen.http {
        listeners = listeners.plain(bind(address).map_err(ServeError::Listen)?);
    }
    if let Some(address) = config.listen.https {
        let tls = build::certificate(&config).map_err(ServeError::Certificate)?;
        listeners = listeners.tls(bind(address).map_err(ServeError::Listen)?, tls);
    }
    let (listeners, local) = listeners.local(&config.socket());
    if let Err(error) = local {
        tracing::warn!(error = %chain(&error), "commands on this box cannot reach the mirror");
    }
    let bound = listeners.bound();
    let text = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
    let (http, https) = (text(bound.http), text(bound.https));
    tracing::info!(http, https, data_dir = %config.data_dir.display(), "listening");

    let mut stop = Signals::new().map_err(ServeError::Signals)?;
    let (shutdown, serving) = listeners.serve(house, pool, GRACE);
    let serving = tokio::spawn(serving);
    let upkeep = tokio::spawn(upkeep(cache.clone(), mirror));

    stop.wait().await;
    tracing::info!("stopping: what is in flight may finish");
    shutdown.now();
    tokio::select! {
        _ = serving => {}
        () = stop.wait() => tracing::warn!("stopped by a second signal"),
    }
    upkeep.abort();
    cache.close().await;
    Ok(())
}

/// What follows the opening of the door.
async fn upkeep(cache: Cache, mirror: crate::mirror::Mirror) {
    let recovery = cache.recover().await;
    tracing::info!(?recovery, "recovered");
    mirror.resume_fills().await;
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
