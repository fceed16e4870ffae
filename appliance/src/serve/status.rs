//! How the box is, for people.

use tokio::time::Instant;

use super::{facts::Facts, inspecting, watch::watching};
use crate::{
    alert::View,
    api::{
        Alert, CacheStatus, CircuitStatus, CollectorFailure, CollectorStatus, EndpointState, EndpointStatus,
        Mode, RateLimit, Status, Traffic, UpstreamStatus, WorkerLimit,
    },
    cache::{CacheStats, State},
    collector::Ending,
    config::Config,
    janitor::{Activity, Effect, Limit, Resting},
    oci::UpstreamName,
    source::{Health, chain},
    upstream,
};

pub(super) fn status(facts: &Facts) -> Status {
    let cache = facts.mirror.cache().stats();
    let totals = facts.metrics.totals();
    let upstreams = by_upstream(facts.endpoints());
    let mut reasons = Vec::new();
    if let State::PassThrough { why } = &cache.state {
        reasons.push(format!("nothing new is kept, content passes through: {why}"));
    }
    if let Ok(pressure) = facts.mirror.cache().pressure()
        && pressure.worst() >= facts.site.load().config.cache.stop.get()
    {
        reasons.push(format!("there is no room, content passes through: {pressure}"));
    }
    if let Some(last) = facts.collector.history().last()
        && let Ending::Short(why) | Ending::Failed(why) = &last.ending
    {
        reasons.push(format!("the last collection did not make enough room: {why}"));
    }
    reasons.extend(inspecting::reasons(&facts.inspector.history()));
    reasons.extend(facts.watched.reasons());
    for upstream in &upstreams {
        if upstream
            .endpoints
            .iter()
            .all(|endpoint| endpoint.state == EndpointState::Resting)
        {
            reasons.push(format!(
                "no endpoint of {} answers: what is here is served",
                upstream.name
            ));
        }
    }
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: facts.started.elapsed().as_secs(),
        mode: if reasons.is_empty() {
            Mode::Serving
        } else {
            Mode::Degraded
        },
        reasons,
        cache: Some(held(&cache, &facts.site.load().config)),
        traffic: Traffic {
            requests: totals.requests,
            hits: totals.hits,
            misses: totals.misses,
            bytes_served: totals.bytes_served,
            wan_bytes: facts.client.usage().wan_bytes,
        },
        upstreams,
        collector: Some(collector(facts)),
        watchdog: Some(facts.watched.told(facts.clock.now())),
        watching: Some(watching(&facts.site.load().config)),
        alerts: alerts(facts),
    }
}

/// What is told, and not what is held back or not bad for long enough.
fn alerts(facts: &Facts) -> Vec<Alert> {
    let now = facts.clock.now();
    let site = facts.site.load();
    let rules = &site.config.alert.rules;
    facts.book.look(now, |views, _, _| {
        let told = views.iter().filter(|view| view.incident.told.is_some());
        let alert = |view: &View<'_>| {
            let incident = view.incident;
            let rule = rules.iter().find(|rule| rule.name == incident.subject.rule);
            let what = rule.map_or_else(|| incident.subject.to_string(), |rule| rule.what.clone());
            let began = incident.fired().unwrap_or(incident.seen);
            Alert {
                id: incident.id.0.to_string(),
                summary: match incident.subject.of.as_str() {
                    "" => what,
                    of => format!("{of}: {what}"),
                },
                open_seconds: began.age(now).unwrap_or_default().as_secs(),
            }
        };
        told.map(alert).collect()
    })
}

fn collector(facts: &Facts) -> CollectorStatus {
    let history = facts.collector.history();
    let janitor = facts.janitor.state();
    let now = facts.clock.now();
    let state = match janitor.activity {
        Activity::Idle => "idle".to_owned(),
        Activity::Running(jobs) => jobs
            .iter()
            .map(|job| job.task.name())
            .collect::<Vec<_>>()
            .join(", "),
        Activity::CircuitOpen { why, .. } => format!("removes nothing for now: {}", chain(&why)),
        Activity::Stopped => "stopped".to_owned(),
    };
    CollectorStatus {
        state,
        last_run_seconds_ago: history
            .last()
            .and_then(|last| last.at.age(now))
            .map(|age| age.as_secs()),
        freed_bytes: history.iter().map(|record| record.bytes).sum(),
        last_failure: history.iter().rev().find_map(|record| match &record.ending {
            Ending::Short(why) | Ending::Failed(why) => Some(CollectorFailure {
                seconds_ago: record.at.age(now).map(|age| age.as_secs()),
                reason: why.clone(),
            }),
            Ending::Done | Ending::Rehearsed => None,
        }),
        limits: janitor.limits.iter().map(limit).collect(),
        circuit: Some(circuit(janitor.resting.as_ref())),
    }
}

fn limit(limit: &Limit) -> WorkerLimit {
    let (holds, text) = match &limit.effect {
        Effect::Holds(how) => (true, how),
        Effect::Missing(why) => (false, why),
    };
    WorkerLimit {
        name: limit.name.clone(),
        holds,
        text: text.clone(),
    }
}

fn circuit(resting: Option<&Resting>) -> CircuitStatus {
    let left = resting.and_then(|resting| {
        let left = resting.until.checked_duration_since(Instant::now())?;
        Some((resting, left))
    });
    match left {
        Some((resting, left)) => CircuitStatus::Open {
            reason: chain(&resting.why),
            retry_in_seconds: left.as_secs(),
        },
        None => CircuitStatus::Closed,
    }
}

fn held(cache: &CacheStats, config: &Config) -> CacheStatus {
    // Zero stands for no limit. Above this part of the room nothing is stored any more.
    let stop = config.cache.stop.get();
    let usable = |whole: u64| (whole as f64 * stop) as u64;
    CacheStatus {
        bytes: cache.bytes,
        bytes_limit: cache
            .max_bytes
            .or_else(|| cache.space.map(|space| usable(space.bytes)))
            .unwrap_or(0),
        inodes: cache.files,
        inodes_limit: cache
            .max_inodes
            .or_else(|| cache.space.map(|space| usable(space.inodes)))
            .unwrap_or(0),
        images: cache.tags,
        blobs: cache.blobs,
    }
}

/// In the order in which the upstreams come first.
fn by_upstream(endpoints: Vec<upstream::EndpointStatus>) -> Vec<UpstreamStatus> {
    let mut upstreams: Vec<UpstreamStatus> = Vec::new();
    for endpoint in endpoints {
        let upstream = place(&mut upstreams, &endpoint.upstream);
        if let (None, Some(ledger)) = (upstream.rate_limit, endpoint.ledger) {
            upstream.rate_limit = Some(RateLimit {
                limit: Some(ledger.limit),
                remaining: Some(ledger.remaining),
            });
        }
        let (state, retry_in_seconds) = match endpoint.health {
            Health::Closed { .. } => (EndpointState::Healthy, None),
            Health::Open { retry_in } => (EndpointState::Resting, Some(retry_in.as_secs())),
            Health::HalfOpen => (EndpointState::Probing, None),
        };
        upstream.endpoints.push(EndpointStatus {
            endpoint: endpoint.name.to_string(),
            state,
            retry_in_seconds,
            answered_seconds_ago: endpoint.answered.map(|ago| ago.as_secs()),
        });
    }
    upstreams
}

fn place<'a>(upstreams: &'a mut Vec<UpstreamStatus>, name: &UpstreamName) -> &'a mut UpstreamStatus {
    let at = upstreams
        .iter()
        .position(|upstream| upstream.name == *name)
        .unwrap_or_else(|| {
            upstreams.push(UpstreamStatus {
                name: name.clone(),
                endpoints: Vec::new(),
                rate_limit: None,
            });
            upstreams.len() - 1
        });
    &mut upstreams[at]
}
