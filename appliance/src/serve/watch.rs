//! What the box watches, as it is told; and what people change of it.
//!
//! Must not know: who asks.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{FutureExt as _, future::BoxFuture};

use super::{alerting::Alerting, facts::Site, monitoring::History};
use crate::{
    alert::{Book, IncidentId, Overlay, Past, Phase, View},
    api::{
        AcknowledgeRequest, Alerts, AlertsChanged, Course, CoursePoint, DroppedSamples, Incident,
        PastIncident, ReceiverState, Sampled, Samples, Silence, SilenceRequest, TestRequest, Tested,
        UnsilenceRequest, Watching,
    },
    clock::{Clock, Timestamp},
    config::{Config, Sampling},
    console,
    monitor::{SharedBoard, history::Fineness},
    rule::{Rule, Series},
    source::chain,
};

/// How long who asks for history waits for the disk.
const DISK: Duration = Duration::from_secs(5);
/// Live samples are kept for so long, in seconds.
const LIVE: u64 = 3600;

/// Answers for the console.
pub(super) struct Watch {
    pub(super) site: Arc<ArcSwap<Site>>,
    pub(super) book: Book,
    pub(super) board: SharedBoard,
    /// Nothing, when nothing is sampled.
    pub(super) history: Option<Arc<History>>,
    pub(super) alerting: Arc<Alerting>,
    pub(super) clock: Clock,
}

impl console::Watch for Watch {
    fn alerts(&self) -> Alerts {
        let now = self.clock.now();
        let site = self.site.load();
        let rules = &site.config.alert.rules;
        self.book.look(now, |views, past, head| Alerts {
            incidents: views.iter().map(|view| incident(view, rules, now)).collect(),
            past: past.iter().map(|past| over(past, now)).collect(),
            silences: head
                .engine
                .silences
                .list()
                .iter()
                .filter(|silence| now < silence.until)
                .map(|silence| Silence {
                    id: silence.id,
                    rule: silence.rule.clone(),
                    of: silence.of.clone(),
                    seconds_left: silence.until.0.saturating_sub(now.0),
                    comment: silence.comment.clone(),
                })
                .collect(),
            receivers: head
                .reached
                .iter()
                .map(|(name, reached)| ReceiverState {
                    name: name.clone(),
                    waiting: head.next.saturating_sub(reached.before),
                    delivered: reached.delivered,
                    error: reached.failing.as_ref().map(|failing| failing.why.clone()),
                    failing_seconds: reached.failing.as_ref().map(|failing| age(failing.since, now)),
                    tries: reached.failing.as_ref().map_or(0, |failing| failing.tries),
                })
                .collect(),
            lost: head.lost,
            watching: Some(watching(&site.config)),
        })
    }

    fn samples(&self) -> Samples {
        let now = self.clock.now();
        let board = self.board.lock();
        let series = board.now().map(|one| Sampled {
            metric: one.series.metric.name().to_owned(),
            of: one.series.of.as_str().to_owned(),
            unit: unit(&one.series),
            value: one.last.map(|last| f64::from(last.value)),
            seconds_ago: one.last.map(|last| age(last.at, now)),
            dropped: one.dropped.map(|why| why.word().to_owned()),
        });
        Samples {
            series: series.collect(),
            dropped: board
                .dropped()
                .map(|(metric, why, count)| DroppedSamples {
                    metric: metric.name().to_owned(),
                    reason: why.word().to_owned(),
                    count,
                })
                .collect(),
            watching: Some(watching(&self.site.load().config)),
        }
    }

    fn course(&self, series: Series, seconds: u64) -> BoxFuture<'_, Result<Course, String>> {
        let sampling = self.site.load().config.monitor.interval;
        let (Some(interval), Some(history)) = (sampling.interval(), self.history.clone()) else {
            return async { Err("nothing is sampled: `monitor.interval` is \"off\"".to_owned()) }.boxed();
        };
        let now = self.clock.now();
        let from = Timestamp(now.0.saturating_sub(seconds));
        if seconds <= LIVE {
            let points = self.board.lock().points(&series, from);
            let points = points.into_iter().map(|point| CoursePoint {
                seconds_ago: age(point.at, now),
                least: point.value,
                average: point.value,
                most: point.value,
            });
            let course = course(&series, interval.as_secs(), points.collect());
            return async { Ok(course) }.boxed();
        }
        let fineness = Fineness::ALL
            .into_iter()
            .find(|fineness| seconds <= fineness.kept())
            .unwrap_or(Fineness::TwoHours);
        let read = series.clone();
        let reading = tokio::task::spawn_blocking(move || history.read(&read, fineness, from, now));
        async move {
            let read = match tokio::time::timeout(DISK, reading).await {
                Ok(Ok(read)) => read.map_err(|error| chain(&error))?,
                Ok(Err(error)) => return Err(format!("read the history: {error}")),
                Err(_) => return Err("read the history: the disk does not answer".to_owned()),
            };
            let points = read.into_iter().map(|(at, summary)| CoursePoint {
                seconds_ago: age(at, now),
                least: summary.least,
                average: summary.average,
                most: summary.most,
            });
            Ok(course(&series, fineness.step(), points.collect()))
        }
        .boxed()
    }

    fn acknowledge(&self, request: AcknowledgeRequest) -> Result<AlertsChanged, String> {
        let by = if request.by.is_empty() {
            "somebody"
        } else {
            &request.by
        };
        if !self.book.acknowledge(IncidentId(request.id), by) {
            return Err(format!(
                "there is no incident {} that is not over; `larder alerts` lists them",
                request.id
            ));
        }
        tracing::info!(incident = request.id, by, "acknowledged");
        Ok(AlertsChanged {
            outcome: format!("incident {}: no reminders; its end is told", request.id),
            id: Some(request.id),
        })
    }

    fn silence(&self, request: SilenceRequest) -> Result<AlertsChanged, String> {
        let now = self.clock.now();
        let until = Timestamp(now.0.saturating_add(request.seconds));
        let added = self.book.edit(|engine| {
            engine
                .silences
                .add(&request.rule, &request.of, until, &request.comment, now)
        });
        let id = added.map_err(|error| error.to_string())?;
        tracing::info!(silence = id, rule = %request.rule, of = %request.of, seconds = request.seconds, "silenced");
        Ok(AlertsChanged {
            outcome: format!(
                "silence {id}: nothing of {} ({}) for {} seconds",
                request.rule, request.of, request.seconds
            ),
            id: Some(id),
        })
    }

    fn unsilence(&self, request: UnsilenceRequest) -> Result<AlertsChanged, String> {
        if !self.book.edit(|engine| engine.silences.end(request.id)) {
            return Err(format!(
                "there is no silence {}; `larder alerts` lists them",
                request.id
            ));
        }
        tracing::info!(silence = request.id, "a silence was ended");
        Ok(AlertsChanged {
            outcome: format!("silence {} is over", request.id),
            id: Some(request.id),
        })
    }

    fn test(&self, request: TestRequest) -> BoxFuture<'_, Result<Tested, String>> {
        async move {
            let deliveries = self.alerting.test(request.receiver.as_deref()).await;
            match (&request.receiver, deliveries.is_empty()) {
                (Some(name), true) => Err(format!(
                    "there is no receiver \"{name}\": `[[alert.receiver]]` in the configuration has them"
                )),
                (None, true) => Err(
                    "there is no receiver yet: add an `[[alert.receiver]]` to the configuration".to_owned(),
                ),
                (_, false) => Ok(Tested { deliveries }),
            }
        }
        .boxed()
    }
}

/// Whether the box looks after itself.
pub(super) fn watching(config: &Config) -> Watching {
    match config.monitor.interval {
        Sampling::Every(interval) => Watching::On {
            interval_seconds: interval.as_secs(),
        },
        Sampling::Off => Watching::Off,
    }
}

fn age(at: Timestamp, now: Timestamp) -> u64 {
    at.age(now).unwrap_or_default().as_secs()
}

fn unit(series: &Series) -> String {
    match serde_json::to_value(series.metric.unit()) {
        Ok(serde_json::Value::String(unit)) => unit,
        _ => String::new(),
    }
}

fn course(series: &Series, step_seconds: u64, points: Vec<CoursePoint>) -> Course {
    Course {
        metric: series.metric.name().to_owned(),
        of: series.of.as_str().to_owned(),
        step_seconds,
        points,
    }
}

fn incident(view: &View<'_>, rules: &[Rule], now: Timestamp) -> Incident {
    let incident = view.incident;
    let rule = rules.iter().find(|rule| rule.name == incident.subject.rule);
    let (Phase::Pending { since } | Phase::Firing { since } | Phase::Recovering { fired: since, .. }) =
        incident.phase;
    let words = |of: fn(&Rule) -> &String| rule.map(of).cloned().unwrap_or_default();
    Incident {
        id: incident.id.0,
        rule: incident.subject.rule.0.clone(),
        of: incident.subject.of.clone(),
        severity: incident.terms.severity.word().to_owned(),
        cause: incident.terms.cause.word().to_owned(),
        phase: incident.phase.word().to_owned(),
        what: words(|rule| &rule.what),
        measures: words(|rule| &rule.measures),
        advice: words(|rule| &rule.advice),
        value: incident.value,
        worst: incident.worst,
        seconds: age(since, now),
        told: incident.told.is_some(),
        flapping: view.flapping,
        acknowledged_by: incident.acknowledged.clone(),
        silenced_by: match view.overlay {
            Some(Overlay::Silenced(id)) => Some(id),
            _ => None,
        },
        explained_by: match &view.overlay {
            Some(Overlay::Inhibited(by)) => Some(by.to_string()),
            _ => None,
        },
    }
}

fn over(past: &Past, now: Timestamp) -> PastIncident {
    let incident = &past.incident;
    let began = incident.fired().unwrap_or(past.ended);
    PastIncident {
        id: incident.id.0,
        rule: incident.subject.rule.0.clone(),
        of: incident.subject.of.clone(),
        severity: incident.terms.severity.word().to_owned(),
        worst: incident.worst,
        seconds: age(began, past.ended),
        ended_seconds_ago: past.ended.age(now).map(|age| age.as_secs()),
        ending: incident.ending.word().to_owned(),
        told: incident.told.is_some(),
    }
}
