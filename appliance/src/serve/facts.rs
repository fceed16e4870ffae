//! What there is to tell about the box, for its pages and its metrics.
//!
//! Promises: nothing here waits for a network. Must not know: how it is shown.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::Instant;

use super::{
    collecting::told, endpoints::Opened, inspecting, status::status, upstreams::Made, watched::Watched,
};
use crate::{
    alert::Book,
    api::{Collections, ImageEntry, Images, Inspections, Status},
    clock::Clock,
    collector::Collector,
    config::{Config, Scope},
    console::{self, Readiness},
    inspection::Inspector,
    janitor::Supervisor,
    metrics::Metrics,
    mirror::{Completeness, Kept, Mirror},
    monitor::SharedBoard,
    oci::{Image, Reference, UpstreamName},
    source::chain,
    telemetry::Log,
    upstream::{Client, Endpoint, EndpointStatus},
};

/// The configuration in force, and what was made of it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) config: Config,
    /// In the order of the configuration.
    pub(super) made: Vec<Made>,
}

/// All that is asked when somebody wants to know.
pub(super) struct Facts {
    pub(super) site: Arc<ArcSwap<Site>>,
    pub(super) opened: Opened,
    pub(super) mirror: Mirror,
    pub(super) collector: Collector,
    pub(super) janitor: Supervisor,
    pub(super) inspector: Inspector,
    pub(super) watched: Watched,
    pub(super) clock: Clock,
    pub(super) client: Client,
    pub(super) metrics: Arc<Metrics>,
    pub(super) book: Book,
    pub(super) board: SharedBoard,
    pub(super) log: Log,
    pub(super) started: Instant,
    pub(super) stopping: AtomicBool,
}

impl Facts {
    /// From now on the box is not ready: it finishes what is in flight and takes nothing new.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Those that are configured first.
    pub(super) fn endpoints(&self) -> Vec<EndpointStatus> {
        let all = self.all_endpoints();
        all.iter().map(|endpoint| endpoint.status()).collect()
    }

    pub(super) fn all_endpoints(&self) -> Vec<Arc<Endpoint>> {
        let site = self.site.load();
        let configured = site.made.iter().flat_map(|made| &made.endpoints).cloned();
        configured.chain(self.opened.alive()).collect()
    }
}

impl console::Facts for Facts {
    fn status(&self) -> Status {
        status(self)
    }

    fn images(&self) -> BoxFuture<'_, Result<Images, String>> {
        let (mirror, site) = (self.mirror.clone(), self.site.load_full());
        let (cache, now) = (mirror.cache().clone(), self.clock.now());
        let pins = mirror.cache().pins();
        async move {
            let listed = tokio::task::spawn_blocking(move || mirror.inventory()).await;
            let kept = listed
                .map_err(|error| format!("list the images: {error}"))?
                .map_err(|error| chain(&error))?;
            let site_pins = &site.config.cache.pins;
            let by_people = pins.map_err(|error| chain(&error))?;
            let default = &site.config.default_upstream;
            let by_people = by_people
                .iter()
                .filter_map(|text| Image::parse(text, default, |_| true).ok());
            let pins: Vec<Image> = site_pins.iter().cloned().chain(by_people).collect();
            let entry = |image: Kept| {
                // A tag is pulled by its manifest, whatever a client needs of it.
                let last = cache.last_use(&image.digest).and_then(|last| last.age(now));
                entry(image, &pins, last)
            };
            Ok(Images {
                images: kept.into_iter().map(entry).collect(),
            })
        }
        .boxed()
    }

    fn collections(&self) -> Collections {
        let now = self.clock.now();
        let history = self.collector.history();
        Collections {
            collections: history.iter().map(|record| told(record, now)).collect(),
        }
    }

    fn inspections(&self) -> Inspections {
        let now = self.clock.now();
        let history = self.inspector.history();
        let told = history.iter().map(|record| inspecting::told(record, now));
        Inspections {
            inspections: told.collect(),
        }
    }

    fn readiness(&self) -> Readiness {
        if self.stopping.load(Relaxed) {
            return Readiness::NotReady("stopping".to_owned());
        }
        Readiness::Ready
    }

    fn default_upstream(&self) -> UpstreamName {
        self.site.load().config.default_upstream.clone()
    }

    fn serves(&self, upstream: &UpstreamName) -> bool {
        let site = self.site.load();
        site.config.scope == Scope::Open || site.config.upstream(upstream).is_some()
    }
}

fn entry(kept: Kept, pins: &[Image], last_pull: Option<Duration>) -> ImageEntry {
    let pinned = pins.iter().any(|pin| {
        pin.repository == kept.repository
            && match &pin.reference {
                Reference::Tag(tag) => *tag == kept.tag,
                Reference::Digest(digest) => *digest == kept.digest,
            }
    });
    ImageEntry {
        pinned,
        digest: kept.digest,
        bytes: kept.bytes,
        platforms: kept.platforms.iter().map(ToString::to_string).collect(),
        complete: kept.completeness == Completeness::Whole,
        last_pulled_seconds_ago: last_pull.map(|ago| ago.as_secs()),
        reference: Image {
            repository: kept.repository,
            reference: Reference::Tag(kept.tag),
        }
        .to_string(),
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Facts({})", self.site.load().config.data_dir.display())
    }
}
