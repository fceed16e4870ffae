//! A box that is not there: fixed answers for tests.

use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::*;
use crate::{
    api::{BlobState, Inspection, Mode, Traffic},
    memory::{Pool, PoolUsage},
    metrics::{
        CacheReading, EndpointReading, Exposition, LedgerReading, Metrics, Readings, Storing, UpkeepReading,
        WanReading, WatchReading,
    },
    oci::{Algorithm, Digest},
};

/// A console in front of it. It pulls `alpine`, and nothing else.
pub(crate) fn console() -> Console {
    let facts = Arc::new(Box7("docker.io".parse().expect("a name")));
    let exposition = Arc::new(Exposition::new(Arc::new(Metrics::default()), Arc::new(Quiet)));
    Console::new(facts.clone(), facts.clone(), facts, exposition)
}

#[derive(Debug)]
struct Quiet;

impl Readings for Quiet {
    fn pool(&self) -> PoolUsage {
        Pool::new(1).usage()
    }

    fn endpoints(&self) -> Vec<EndpointReading> {
        Vec::new()
    }

    fn ledger(&self) -> Vec<LedgerReading> {
        Vec::new()
    }

    fn wan(&self) -> WanReading {
        WanReading::default()
    }

    fn cache(&self) -> CacheReading {
        CacheReading {
            blobs: 0,
            inline: 0,
            files: 0,
            manifests: 0,
            tags: 0,
            bytes: 0,
            inline_bytes: 0,
            index_bytes: 0,
            partials: 0,
            filling: 0,
            storing: Storing::Kept,
            bytes_limit: None,
            inodes_limit: None,
            filesystem: None,
            commits: 0,
            reopens: 0,
            compactions: 0,
            damaged_rows: 0,
            errors: 0,
        }
    }

    fn watchdog(&self) -> crate::metrics::WatchdogReading {
        crate::metrics::WatchdogReading::default()
    }

    fn upkeep(&self) -> UpkeepReading {
        UpkeepReading::default()
    }

    fn watch(&self) -> WatchReading {
        WatchReading::default()
    }

    fn log_lines_dropped(&self) -> u64 {
        0
    }
}

struct Box7(UpstreamName);

impl Facts for Box7 {
    fn status(&self) -> Status {
        Status {
            version: "1".into(),
            uptime_seconds: 5,
            mode: Mode::Serving,
            reasons: Vec::new(),
            cache: None,
            traffic: Traffic::default(),
            upstreams: Vec::new(),
            collector: None,
            watchdog: None,
            watching: None,
            alerts: Vec::new(),
        }
    }

    fn images(&self) -> BoxFuture<'_, Result<Images, String>> {
        async { Err("the index is being rebuilt".into()) }.boxed()
    }

    fn collections(&self) -> Collections {
        Collections::default()
    }

    fn inspections(&self) -> Inspections {
        Inspections::default()
    }

    fn readiness(&self) -> Readiness {
        Readiness::NotReady("the cache is opening".into())
    }

    fn default_upstream(&self) -> UpstreamName {
        self.0.clone()
    }

    fn serves(&self, upstream: &UpstreamName) -> bool {
        upstream.is_docker_hub()
    }
}

impl Watch for Box7 {
    fn alerts(&self) -> Alerts {
        Alerts {
            lost: 7,
            ..Alerts::default()
        }
    }

    fn samples(&self) -> Samples {
        Samples::default()
    }

    fn course(&self, series: Series, seconds: u64) -> BoxFuture<'_, Result<Course, String>> {
        let course = Course {
            metric: series.metric.name().to_owned(),
            of: series.of.as_str().to_owned(),
            step_seconds: seconds,
            points: Vec::new(),
        };
        async { Ok(course) }.boxed()
    }

    fn acknowledge(&self, request: AcknowledgeRequest) -> Result<AlertsChanged, String> {
        Err(format!("there is no incident {}", request.id))
    }

    fn silence(&self, request: SilenceRequest) -> Result<AlertsChanged, String> {
        Ok(AlertsChanged {
            outcome: format!("{} of {} for {}", request.rule, request.of, request.seconds),
            id: Some(3),
        })
    }

    fn unsilence(&self, _: UnsilenceRequest) -> Result<AlertsChanged, String> {
        Ok(AlertsChanged::default())
    }

    fn test(&self, _: TestRequest) -> BoxFuture<'_, Result<Tested, String>> {
        async { Ok(Tested::default()) }.boxed()
    }
}

impl Operations for Box7 {
    fn pull(&self, image: Image, platform: Option<Platform>) -> BoxStream<'static, PullEvent> {
        let digest = Digest::of(Algorithm::Sha256, b"");
        let blob = |have, state| PullEvent::Blob {
            digest,
            size: Some(2048),
            have,
            state,
        };
        let end = if image.repository.path.as_str() == "library/alpine" {
            PullEvent::Done {
                digest,
                bytes: 4096,
                fetched: 2048,
            }
        } else {
            let platform = platform.map_or("all".into(), |p| p.to_string());
            PullEvent::Failed {
                reason: format!("no {image} for {platform}"),
            }
        };
        stream::iter([
            PullEvent::Resolved { digest },
            blob(0, BlobState::Fetching),
            blob(2048, BlobState::Fetched),
            end,
        ])
        .boxed()
    }

    fn keep(&self, image: Image, change: Change) -> BoxFuture<'_, Result<Kept, String>> {
        let kept = Kept {
            reference: image.to_string(),
            outcome: format!("{change:?}"),
        };
        async { Ok(kept) }.boxed()
    }

    fn collect(&self, effect: Effect) -> BoxStream<'static, CollectEvent> {
        let reason = format!("{effect:?}: the hands are tied");
        stream::iter([CollectEvent::Working, CollectEvent::Failed { reason }]).boxed()
    }

    fn inspect(&self, depth: Depth) -> BoxStream<'static, InspectEvent> {
        let scan = Inspection {
            what: "scan".into(),
            files: 7,
            orphans: 1,
            orphan_bytes: 2048,
            ending: "done".into(),
            ..Inspection::default()
        };
        let mut inspections = vec![scan];
        if depth == Depth::Scrub {
            inspections.push(Inspection {
                what: "scrub".into(),
                files: 3,
                ending: "failed".into(),
                fault: Some("worker".into()),
                reason: Some("it died".into()),
                ..Inspection::default()
            });
        }
        stream::iter([InspectEvent::Working, InspectEvent::Done { inspections }]).boxed()
    }

    fn reload(&self) -> BoxFuture<'_, Result<Reloaded, String>> {
        async { Err("`cache.policy`: `best` is none".into()) }.boxed()
    }
}
