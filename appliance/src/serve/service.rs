//! The running mirror: built from the configuration, open, and closed in order.
//!
//! Promises: the door opens as soon as the index is open, whatever the WAN and the rest of the disk do; what
//! can wait (recovery, unfinished fills) goes on beside it. Must not know: signals.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{task::JoinHandle, time::Instant};

use super::{
    ServeError, alerting,
    alerting::Alerting,
    build,
    collecting::Collecting,
    endpoints::Opened,
    facts::{Facts, Site},
    figures::Figured,
    hands::Hands,
    house::House,
    inquiring,
    inspecting::Inspecting,
    knocking::Mark,
    monitoring::{self, Monitoring, Pulse},
    reload::Reloader,
    upstreams,
    watch::Watch,
    watched::Watched,
    welcome,
};
use crate::{
    cache::{Cache, Disk},
    clock::Clock,
    config::{Config, Inputs},
    console::Console,
    heartbeat::Beat,
    listen::{Bound, Listeners, Shutdown, bind, bind_local},
    memory::Budget,
    metrics::{Exposition, Metrics},
    mirror::{Mirror, Pace},
    monitor::SharedBoard,
    registry::Registry,
    source::chain,
    telemetry::Log,
    watchdog::Part,
};

/// How long what is in flight may go on once the mirror is told to stop. Container runtimes and service
/// managers give a process 10 s at least before they kill it.
const GRACE: Duration = Duration::from_secs(8);

/// How long the disk may take for what clients have been given already.
const STORING: Duration = Duration::from_secs(2);

/// A mirror that serves.
pub(super) struct Service {
    pub(super) bound: Bound,
    pub(super) mark: Mark,
    pub(super) facts: Arc<Facts>,
    reloader: Arc<Reloader>,
    cache: Cache,
    shutdown: Shutdown,
    serving: JoinHandle<()>,
    collecting: Collecting,
    inspecting: Inspecting,
    monitoring: Option<Monitoring>,
    alerting: Arc<Alerting>,
    inquiring: JoinHandle<()>,
    upkeep: JoinHandle<()>,
}

impl Service {
    pub(super) async fn start(
        config: Config,
        inputs: Inputs,
        log: Log,
        watched: Watched,
        disk: Disk,
    ) -> Result<Self, ServeError> {
        let create = std::fs::create_dir_all(&config.data_dir);
        create.map_err(|source| ServeError::Folder {
            path: config.data_dir.clone(),
            source,
        })?;
        let clock = Clock::system();
        let budget = Budget::new(config.fetch.buffer_bytes.bytes());
        let cache = Cache::open(build::cache_options(&config, disk), clock.clone())
            .await
            .map_err(ServeError::Cache)?;
        let metrics = Arc::<Metrics>::default();
        let client = build::client(&config, &clock, &budget)?;
        let opened = Opened::default();
        let pace = Pace::default();
        let made = upstreams::make(&config, &client, &[])?;
        let rules = upstreams::rules(&config, &made, &client, &opened, &pace);
        let mirror = Mirror::new(rules, cache.clone(), budget, clock.clone(), metrics.clone());
        let listeners = listeners(&config, &cache)?;
        let bound = listeners.bound();
        let site = Arc::new(ArcSwap::from_pointee(Site { config, made }));
        let collecting = Collecting::start(
            &site.load().config,
            &cache,
            &mirror,
            &clock,
            &site,
            &opened,
            &watched.pause,
        );
        let inspecting = Inspecting::start(
            &site.load().config,
            &cache,
            &mirror,
            &collecting.janitor,
            &clock,
            &site,
            &watched.pause,
        );
        let database = cache.small_database(site.load().config.data_dir.join("state.redb"));
        let opening = database.clone();
        let opened_book = tokio::task::spawn_blocking(move || alerting::open(opening)).await;
        let (book, shelf) = opened_book.map_err(|error| ServeError::Monitor(error.into()))?;
        let proxy = build::proxy()?;
        let alerting = Alerting::start(&book, shelf, &clock, proxy).map_err(ServeError::Monitor)?;
        let alerting = Arc::new(alerting);
        let pulse = Pulse::new(site.load().config.monitor.interval, &clock);
        let board = SharedBoard::default();
        let reloader = Arc::new(Reloader {
            inputs,
            site: site.clone(),
            mirror: mirror.clone(),
            client: client.clone(),
            opened: opened.clone(),
            pace,
            log: log.clone(),
            alerting: alerting.clone(),
            pulse: pulse.clone(),
            turn: Mutex::default(),
        });
        let facts = Arc::new(Facts {
            site,
            opened,
            mirror: mirror.clone(),
            collector: collecting.collector.clone(),
            janitor: collecting.janitor.clone(),
            inspector: inspecting.inspector.clone(),
            watched,
            clock: clock.clone(),
            client,
            metrics: metrics.clone(),
            book: book.clone(),
            board: board.clone(),
            log,
            started: Instant::now(),
            stopping: AtomicBool::new(false),
        });
        let hands = Arc::new(Hands {
            mirror: mirror.clone(),
            reloader: reloader.clone(),
            facts: facts.clone(),
        });
        let monitoring = Monitoring::start(monitoring::Means {
            site: &facts.site,
            database,
            disk: cache.stats().space.map_or(0, |space| space.bytes),
            pulse: &pulse,
            clock: &clock,
            board: &board,
            book: &book,
            figured: Figured::new(facts.clone()),
        })
        .map_err(ServeError::Monitor)?;
        alerting.apply(&facts.site.load().config.alert, &pulse);
        let watch = Arc::new(Watch {
            site: facts.site.clone(),
            book,
            board,
            history: monitoring.as_ref().map(|monitoring| monitoring.history.clone()),
            alerting: alerting.clone(),
            clock,
        });
        let inquiring = tokio::spawn(inquiring::inquire(facts.clone()));
        let exposition = Arc::new(Exposition::new(metrics.clone(), facts.clone()));
        let mark = Mark::default();
        let house = House {
            registry: Registry::new(mirror.clone()),
            console: Console::new(facts.clone(), hands, watch, exposition),
            metrics,
            mark: mark.clone(),
        };
        let (shutdown, serving) = listeners.serve(house, GRACE);
        Ok(Self {
            bound,
            mark,
            facts,
            reloader,
            shutdown,
            serving: tokio::spawn(serving),
            collecting,
            inspecting,
            monitoring,
            alerting,
            inquiring,
            // Each by its own: a recovery can take hours, and neither touches what the other is at.
            upkeep: tokio::spawn(async move { mirror.resume_fills().await }),
            cache,
        })
    }

    /// What is watched of it.
    pub(super) fn beats(&self) -> [(Part, Beat); 6] {
        let sampler = self.monitoring.as_ref();
        [
            (Part::Index, self.cache.beat()),
            (Part::Fills, self.facts.mirror.beat()),
            (Part::Collector, self.collecting.beat.clone()),
            (Part::Inspection, self.inspecting.beat.clone()),
            // Without one there is no work that could be late.
            (
                Part::Sampler,
                sampler.map(|one| one.beat.clone()).unwrap_or_default(),
            ),
            (Part::Alerts, self.alerting.beat.clone()),
        ]
    }

    /// Tells whoever started it how to use it.
    pub(super) fn greet(&self) {
        welcome::greet(&self.bound, &self.facts.site.load().config);
    }

    /// Reads the configuration again. The outcome is in the log.
    pub(super) async fn reload(&self) {
        let reloader = self.reloader.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || reloader.reload()).await {
            tracing::error!(%error, "the configuration was not read again");
        }
    }

    pub(super) fn bound(&self) -> &Bound {
        &self.bound
    }

    /// Takes nothing new, and lets what is in flight finish; at the latest when `hurry` says so.
    pub(super) async fn stop(self, hurry: impl Future<Output = ()>) {
        tracing::info!("stopping: what is in flight may finish");
        self.facts.stop();
        self.shutdown.now();
        let finished = async {
            // A panic of the listener is in the log already.
            let _ = self.serving.await;
            if tokio::time::timeout(STORING, self.facts.mirror.stored())
                .await
                .is_err()
            {
                tracing::warn!("the disk is too slow: what came last is stored at the next start");
            }
        };
        tokio::select! {
            () = finished => {}
            () = hurry => tracing::warn!("stopped at once"),
        }
        self.inquiring.abort();
        self.upkeep.abort();
        self.inspecting.stop();
        self.collecting.stop().await;
        self.alerting.end().await;
        let watching = tokio::task::spawn_blocking(move || self.monitoring.map(Monitoring::end));
        if tokio::time::timeout(STORING, watching).await.is_err() {
            tracing::warn!("the disk is too slow: the last minutes of history are lost");
        }
        self.cache.close().await;
    }
}

fn listeners(config: &Config, cache: &Cache) -> Result<Listeners, ServeError> {
    let mut listeners = Listeners::default();
    if let Some(address) = config.listen.http {
        listeners = listeners.plain(bind(address).map_err(ServeError::Listen)?);
    }
    if let Some(address) = config.listen.https {
        let tls = build::certificate(config).map_err(ServeError::Certificate)?;
        listeners = listeners.tls(bind(address).map_err(ServeError::Listen)?, tls);
    }
    let socket = config.socket();
    let made = cache.backed(&socket, || bind_local(&socket));
    let (listeners, local) = listeners.local(&socket, made);
    if let Err(error) = local {
        tracing::warn!(error = %chain(&error), "commands on this box cannot reach the mirror");
    }
    let bound = listeners.bound();
    let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    let (http, https) = (text(bound.http), text(bound.https));
    tracing::info!(http, https, data_dir = %config.data_dir.display(), "listening");
    Ok(listeners)
}
