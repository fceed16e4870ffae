//! The mirror's own figures, and its processes, as readings.

use std::{path::Path, sync::Arc, time::Duration};

use heapless::Deque;

use super::{Group, Probe, files::Files, process::resident, share::each};
use crate::{
    monitor::{
        Sheet,
        figures::{Duty, Figures, House, Line, Room, Shown, Storing, Traffic, UpstreamFigures, Work},
    },
    rule::Metric,
};

/// Upstreams that are looked at, in the order in which they are told.
const UPSTREAMS: usize = 24;
/// How far back restarts count.
const LATELY: Duration = Duration::from_secs(3600);

pub(super) struct Mirror {
    files: Files,
    house: Arc<dyn House>,
    before: Option<Traffic>,
    restarts: Restarts,
}

impl Mirror {
    pub(super) fn new(root: &Path, house: Arc<dyn House>) -> Self {
        Self {
            files: Files::below(root),
            house,
            before: None,
            restarts: Restarts::default(),
        }
    }

    fn processes(&mut self, figures: &Figures, at: Duration, sheet: &mut Sheet) {
        let serve = resident(&mut self.files, std::process::id());
        let worker = figures
            .worker
            .process
            .and_then(|id| resident(&mut self.files, id));
        for (name, bytes) in [("serve", serve), ("janitor", worker)] {
            if let Some(bytes) = bytes {
                sheet.gauge(Metric::ProcessMemory, name, bytes as f64);
            }
        }
        let restarts = self.restarts.lately(figures.worker.failures, at);
        sheet.gauge(Metric::ProcessRestarts, "janitor", restarts as f64);
        if let Some(restarts) = figures.restarts {
            sheet.gauge(Metric::ProcessRestarts, "serve", restarts as f64);
        }
        let is_safe = figures.duty == Duty::ServingOnly;
        sheet.gauge(Metric::ProcessSafeMode, "serve", f64::from(is_safe));
    }
}

impl Probe for Mirror {
    fn group(&self) -> Group {
        Group::House
    }

    fn read(&mut self, at: Duration, sheet: &mut Sheet) {
        let figures = self.house.figures();
        traffic(self.before.replace(figures.traffic), &figures, sheet);
        cache(&figures, sheet);
        line(&figures.line, sheet);
        for upstream in figures.upstreams.iter().take(UPSTREAMS) {
            registry(upstream, sheet);
        }
        sheet.gauge(Metric::DeliveryLag, "", figures.delivery_lag.as_secs_f64());
        self.processes(&figures, at, sheet);
    }
}

fn traffic(before: Option<Traffic>, figures: &Figures, sheet: &mut Sheet) {
    let now = figures.traffic;
    sheet.counter(Metric::Requests, "", now.requests);
    sheet.counter(Metric::Failures, "", now.failures);
    sheet.counter(Metric::Served, "", now.served);
    sheet.counter(Metric::Fetched, "", now.fetched);
    sheet.gauge(Metric::Filling, "", now.filling as f64);
    let asked = |traffic: Traffic| traffic.hits.saturating_add(traffic.misses);
    // While nobody asks there is no ratio.
    if let Some(before) = before
        && let Some(ratio) = each((before.hits, now.hits), (asked(before), asked(now)))
    {
        sheet.gauge(Metric::HitRatio, "", ratio);
    }
    let buffers = figures.buffers;
    if buffers.capacity > 0 {
        sheet.gauge(
            Metric::BufferUsed,
            "",
            buffers.in_use as f64 / buffers.capacity as f64,
        );
    }
    let is_idle = now.filling == 0 && now.answering == 0;
    let leaked = if is_idle { buffers.in_use } else { 0 };
    sheet.gauge(Metric::BufferLeaked, "", leaked as f64);
}

fn cache(figures: &Figures, sheet: &mut Sheet) {
    let cache = figures.cache;
    sheet.gauge(
        Metric::CacheWritable,
        "",
        f64::from(cache.storing == Storing::Kept),
    );
    sheet.counter(Metric::IndexErrors, "", cache.index_errors);
    sheet.counter(Metric::Damaged, "", cache.damaged);
    let collector = figures.collector;
    if let Some(room) = collector.room {
        sheet.gauge(Metric::CollectorShort, "", f64::from(room == Room::Short));
    }
    if let Some(took) = collector.took {
        sheet.gauge(Metric::CollectorSeconds, "", took.as_secs_f64());
    }
    if let Some(lag) = collector.lag {
        sheet.gauge(Metric::CollectorLag, "", lag.as_secs_f64());
    }
    let worker = figures.worker;
    sheet.gauge(
        Metric::WorkerResting,
        "",
        f64::from(worker.work == Work::Withheld),
    );
    sheet.counter(Metric::WorkerFailures, "", worker.failures);
}

fn line(line: &Line, sheet: &mut Sheet) {
    shown(Metric::Wan, "", line.wan, sheet);
    shown(Metric::Names, "", line.names, sheet);
    shown(Metric::NetworkFamily, "ipv4", line.ipv4, sheet);
    shown(Metric::NetworkFamily, "ipv6", line.ipv6, sheet);
}

fn registry(upstream: &UpstreamFigures, sheet: &mut Sheet) {
    let name = &upstream.name;
    shown(Metric::UpstreamUp, name, upstream.shown, sheet);
    if let Some(latency) = upstream.latency {
        sheet.gauge(Metric::UpstreamLatency, name, latency.as_secs_f64());
    }
    sheet.counter(Metric::UpstreamFaults, name, upstream.faults);
    if let Some((left, all)) = upstream.left.filter(|(_, all)| *all > 0) {
        sheet.gauge(Metric::UpstreamLeft, name, left as f64 / all as f64);
    }
}

fn shown(metric: Metric, of: &str, shown: Shown, sheet: &mut Sheet) {
    match shown {
        Shown::Nothing => {}
        Shown::Works => sheet.gauge(metric, of, 1.0),
        Shown::Fails => sheet.gauge(metric, of, 0.0),
    }
}

/// How far a counter has come within the last hour, as far as is remembered.
#[derive(Debug, Default)]
struct Restarts {
    last: u64,
    /// When it moved, and what it was before.
    moves: Deque<(Duration, u64), 32>,
}

impl Restarts {
    fn lately(&mut self, count: u64, at: Duration) -> u64 {
        if count > self.last {
            if self.moves.is_full() {
                self.moves.pop_front();
            }
            let _ = self.moves.push_back((at, self.last));
        }
        self.last = count;
        let is_old = |(when, _): &(Duration, u64)| at.saturating_sub(*when) >= LATELY;
        while self.moves.front().is_some_and(is_old) {
            self.moves.pop_front();
        }
        self.moves
            .front()
            .map_or(0, |(_, before)| count.saturating_sub(*before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_those_of_the_last_hour() {
        let mut restarts = Restarts::default();
        let mut lately = |count, minutes: u64| restarts.lately(count, Duration::from_secs(minutes * 60));
        assert_eq!(lately(0, 0), 0);
        assert_eq!(lately(1, 10), 1);
        assert_eq!(lately(3, 30), 3);
        assert_eq!(lately(3, 69), 3);
        assert_eq!(lately(3, 70), 2, "the first was an hour ago");
        assert_eq!(lately(3, 200), 0);
        for more in 0..100 {
            lately(4 + more, 201);
        }
        assert_eq!(lately(103, 202), 32, "as many as are remembered");
        assert_eq!(lately(103, 262), 0);
    }
}
