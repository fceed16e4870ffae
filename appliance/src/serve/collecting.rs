//! The collector of this box: its means, and its words.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;

use super::{endpoints::Opened, facts::Site, obtaining};
use crate::{
    api,
    cache::{Cache, Disk},
    clock::{Clock, Timestamp},
    collector::{Collector, Compactor, CompactorSettings, Ending, Record, Settings},
    config::{Config, TimeOfDay, Window},
    heartbeat::Beat,
    janitor::{Settings as JanitorSettings, Starts, Supervisor, Thread},
    mirror::Mirror,
    oci::{Digest, Image, Reference},
    pause::Pause,
    source::chain,
};

/// The collector, and what ends with it.
pub(super) struct Collecting {
    pub(super) collector: Collector,
    pub(super) janitor: Supervisor,
    pub(super) beat: Beat,
    tasks: [JoinHandle<()>; 2],
}

impl Collecting {
    pub(super) fn start(
        config: &Config,
        cache: &Cache,
        mirror: &Mirror,
        clock: &Clock,
        site: &Arc<ArcSwap<Site>>,
        opened: &Opened,
        pause: &Pause,
    ) -> Self {
        let beat = Beat::default();
        // The worker stands elsewhere.
        let folder = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
        let janitor = Supervisor::new(
            starts(),
            JanitorSettings::new(folder, &config.janitor),
            fastrand::Rng::new(),
        );
        let window: Arc<dyn Fn() -> bool + Send + Sync> = {
            let site = site.clone();
            Arc::new(move || is_open(site.load().config.janitor.window))
        };
        let (compactor, compacting) = Compactor::start(
            cache.clone(),
            CompactorSettings {
                window: window.clone(),
                rng: fastrand::Rng::new(),
            },
        );
        let settings = Settings {
            high: config.cache.high.get(),
            low: config.cache.low.get(),
            stop: config.cache.stop.get(),
            grace: config.janitor.grace,
            clock: clock.clone(),
            pinned: {
                let (cache, site) = (cache.clone(), site.clone());
                Arc::new(move || pinned(&cache, &site.load().config))
            },
            costs: {
                let (site, opened) = (site.clone(), opened.clone());
                Arc::new(move || obtaining::costs(&site.load(), &opened))
            },
            window,
            gone: {
                let mirror = mirror.clone();
                Arc::new(move || mirror.forget_whole())
            },
            short: {
                let compactor = compactor.clone();
                Arc::new(move || compactor.want())
            },
            history: config.data_dir.join("collections.log"),
            beat: beat.clone(),
            pause: pause.clone(),
        };
        let hands = Arc::new(janitor.clone());
        let (collector, task) = Collector::start(cache.clone(), hands, settings);
        Self {
            collector,
            janitor,
            beat,
            tasks: [task, compacting],
        }
    }

    /// Ends it. What is off the list and not removed yet is found at the next start.
    pub(super) async fn stop(&self) {
        for task in &self.tasks {
            task.abort();
        }
        self.janitor.stop().await;
    }
}

fn starts() -> Starts {
    let thread = Arc::new(Thread::on(Disk::real()));
    Starts {
        #[cfg(not(test))]
        process: Arc::new(crate::janitor::Program::this()),
        // This program is the tests'.
        #[cfg(test)]
        process: thread.clone(),
        thread: Some(thread),
    }
}

/// What the configuration and people have pinned, as far as it is here.
fn pinned(cache: &Cache, config: &Config) -> Vec<Digest> {
    let by_people = cache.pins().unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "the pins cannot be read");
        Vec::new()
    });
    let by_people = by_people
        .iter()
        .filter_map(|text| Image::parse(text, &config.default_upstream, |_| true).ok());
    config
        .cache
        .pins
        .iter()
        .cloned()
        .chain(by_people)
        .filter_map(|image| match image.reference {
            Reference::Digest(digest) => Some(digest),
            Reference::Tag(tag) => Some(cache.tag(&image.repository, &tag).ok()??.digest),
        })
        .collect()
}

pub(super) fn is_open(window: Option<Window>) -> bool {
    let Some(window) = window else { return true };
    let now = jiff::Zoned::now();
    let time = TimeOfDay::new(
        now.hour().unsigned_abs().into(),
        now.minute().unsigned_abs().into(),
    );
    time.is_some_and(|time| window.0.contains(time))
}

/// A collection, as it is told.
pub(super) fn told(record: &Record, now: Timestamp) -> api::Collection {
    let reason = match &record.ending {
        Ending::Done | Ending::Rehearsed => None,
        Ending::Short(why) | Ending::Failed(why) => Some(why.clone()),
    };
    api::Collection {
        seconds_ago: record.at.age(now).as_ref().map(Duration::as_secs),
        took_milliseconds: record.took,
        why: record.why.word().to_owned(),
        goal_bytes: record.goal_bytes,
        goal_inodes: record.goal_inodes,
        units: record.units,
        spared: record.spared,
        pieces: record.pieces,
        bytes: record.bytes,
        files: record.files,
        full_before: f64::from(record.before) / 1000.0,
        full_after: f64::from(record.after) / 1000.0,
        ending: record.ending.word().to_owned(),
        reason,
    }
}
