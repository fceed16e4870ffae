//! The families of metrics: their names, their help, their labels.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{FillFailure, Histogram, Kind, Metrics, Outcome, Readings, StatusClass, process};
use crate::source::Health;

type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

fn counter<const N: usize>(family: &mut MetricEncoder<'_>, labels: Labels<'_, N>, value: u64) -> fmt::Result {
    let mut metric = family.encode_family(&labels)?;
    metric.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

fn gauge<const N: usize>(family: &mut MetricEncoder<'_>, labels: Labels<'_, N>, value: u64) -> fmt::Result {
    // Gauges are signed; nothing measured here reaches 2^63.
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    family.encode_family(&labels)?.encode_gauge(&value)
}

fn histogram<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: Labels<'_, N>,
    values: &Histogram,
) -> fmt::Result {
    let now = values.snapshot();
    let mut metric = family.encode_family(&labels)?;
    metric.encode_histogram::<NoLabelSet>(now.sum_seconds, now.count, &now.buckets, None)
}

/// One value without labels.
fn single(
    to: &mut DescriptorEncoder<'_>,
    (name, help, kind): (&str, &str, MetricType),
    value: u64,
) -> fmt::Result {
    let is_counter = matches!(kind, MetricType::Counter);
    let mut family = to.encode_descriptor(name, help, None, kind)?;
    if is_counter {
        return family.encode_counter::<NoLabelSet, u64, u64>(&value, None);
    }
    family.encode_gauge(&i64::try_from(value).unwrap_or(i64::MAX))
}

/// Everything that [`Metrics`] counts.
#[derive(Debug)]
pub(super) struct Counted(pub(super) Arc<Metrics>);

impl Collector for Counted {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(metrics) = self;
        let load = |count: &AtomicU64| count.load(Relaxed);
        let c = MetricType::Counter;
        let mut family = to.encode_descriptor("larder_requests", "Requests answered", None, c)?;
        for kind in Kind::ALL {
            for class in StatusClass::ALL {
                let value = load(&metrics.requests[kind.place()][class.place()]);
                // A class that a kind never had is left out: most are, for ever.
                if value > 0 {
                    counter(
                        &mut family,
                        [("kind", kind.as_str()), ("status", class.as_str())],
                        value,
                    )?;
                }
            }
        }
        let mut family = to.encode_descriptor("larder_cache_outcomes", "How content was come by", None, c)?;
        for kind in [Kind::Manifest, Kind::Blob, Kind::Tags, Kind::Referrers] {
            for outcome in Outcome::ALL {
                let value = load(&metrics.outcomes[kind.place()][outcome.place()]);
                counter(
                    &mut family,
                    [("kind", kind.as_str()), ("outcome", outcome.as_str())],
                    value,
                )?;
            }
        }
        let help = "From the head of a request to the head of the answer";
        let mut family =
            to.encode_descriptor("larder_first_byte_seconds", help, None, MetricType::Histogram)?;
        for kind in Kind::ALL {
            histogram(
                &mut family,
                [("kind", kind.as_str())],
                &metrics.first_byte[kind.place()],
            )?;
        }
        let served = ("larder_bytes_served", "Bytes of bodies sent to clients", c);
        single(&mut to, served, load(&metrics.bytes_served))?;
        let in_flight = ("larder_fills_in_flight", "Fills under way", MetricType::Gauge);
        single(&mut to, in_flight, load(&metrics.fills_in_flight))?;
        let help = "Fills that ended without their content";
        let mut family = to.encode_descriptor("larder_fill_failures", help, None, c)?;
        for failure in FillFailure::ALL {
            let value = load(&metrics.fill_failures[failure.place()]);
            counter(&mut family, [("reason", failure.as_str())], value)?;
        }
        let upstreams = metrics.upstreams.list();
        let help = "Bytes of bodies that came from upstreams";
        let mut family = to.encode_descriptor("larder_wan_bytes", help, None, c)?;
        for (name, upstream) in &upstreams {
            counter(&mut family, [("upstream", name)], upstream.wan_bytes())?;
        }
        let help = "From a request to an upstream to the head of its answer";
        let mut family = to.encode_descriptor(
            "larder_upstream_latency_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        for (name, upstream) in &upstreams {
            histogram(&mut family, [("upstream", name)], upstream.latency())?;
        }
        Ok(())
    }
}

/// Everything that is read when somebody scrapes.
#[derive(Debug)]
pub(super) struct Read(pub(super) Arc<dyn Readings>);

impl Collector for Read {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        use MetricType::{Counter, Gauge};
        let Self(readings) = self;
        let help = "1 for the state that an endpoint is in";
        let mut family = to.encode_descriptor("larder_upstream_health", help, None, Gauge)?;
        for reading in readings.endpoints() {
            let now = match reading.health {
                Health::Closed { .. } => "closed",
                Health::Open { .. } => "open",
                Health::HalfOpen => "half-open",
            };
            for state in ["closed", "open", "half-open"] {
                let upstream = ("upstream", reading.upstream.as_str());
                let labels = [
                    upstream,
                    ("endpoint", reading.endpoint.as_str()),
                    ("state", state),
                ];
                gauge(&mut family, labels, u64::from(state == now))?;
            }
        }
        let ledger = readings.ledger();
        for (name, help, of) in [
            (
                "larder_ratelimit_limit",
                "Requests that an upstream allows in its window",
                0,
            ),
            ("larder_ratelimit_remaining", "Of them, left", 1),
        ] {
            let mut family = to.encode_descriptor(name, help, None, Gauge)?;
            for row in &ledger {
                if let Some(value) = [row.limit, row.remaining][of] {
                    gauge(&mut family, [("upstream", row.upstream.as_str())], value)?;
                }
            }
        }
        let pool = readings.pool();
        let mut rows = vec![
            (
                "larder_buffer_capacity_bytes",
                "The budget for bytes in flight",
                Gauge,
                pool.capacity,
            ),
            (
                "larder_buffer_in_use_bytes",
                "Bytes in flight",
                Gauge,
                pool.in_use,
            ),
            (
                "larder_buffer_waiting",
                "Tasks that wait for room in the budget",
                Gauge,
                pool.waiting,
            ),
            (
                "larder_buffer_exhausted",
                "Waits that ended without room",
                Counter,
                pool.exhausted,
            ),
            (
                "larder_log_lines_dropped",
                "Log lines nobody read in time",
                Counter,
                readings.log_lines_dropped(),
            ),
        ];
        if let Some(cache) = readings.cache() {
            rows.extend([
                (
                    "larder_cache_bytes",
                    "Bytes that the cache holds",
                    Gauge,
                    cache.bytes,
                ),
                (
                    "larder_cache_bytes_limit",
                    "Bytes that it may hold",
                    Gauge,
                    cache.bytes_limit,
                ),
                (
                    "larder_cache_inodes",
                    "Inodes that the cache holds",
                    Gauge,
                    cache.inodes,
                ),
                (
                    "larder_cache_inodes_limit",
                    "Inodes that it may hold",
                    Gauge,
                    cache.inodes_limit,
                ),
                (
                    "larder_cache_blobs",
                    "Blobs that the cache holds",
                    Gauge,
                    cache.blobs,
                ),
                (
                    "larder_cache_manifests",
                    "Manifests that the cache holds",
                    Gauge,
                    cache.manifests,
                ),
                (
                    "larder_cache_evicted_bytes",
                    "Bytes evicted",
                    Counter,
                    cache.evicted_bytes,
                ),
                (
                    "larder_cache_evicted_images",
                    "Images evicted",
                    Counter,
                    cache.evicted_images,
                ),
            ]);
        }
        for (name, help, kind, value) in rows {
            single(&mut to, (name, help, kind), value)?;
        }
        Ok(())
    }
}

/// The process and its build.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let mut build = to.encode_descriptor("larder_build", "What is running", None, MetricType::Info)?;
        build.encode_info(&[
            ("version", env!("CARGO_PKG_VERSION")),
            ("arch", std::env::consts::ARCH),
        ])?;
        let now = process::read();
        if let Some(bytes) = now.resident {
            let rss = (
                "process_resident_memory_bytes",
                "Memory in use",
                MetricType::Gauge,
            );
            single(&mut to, rss, bytes)?;
        }
        if let Some(files) = now.open_files {
            single(
                &mut to,
                ("process_open_fds", "Open file descriptors", MetricType::Gauge),
                files,
            )?;
        }
        let mut cpu = to.encode_descriptor(
            "process_cpu_seconds",
            "CPU time, user and system",
            None,
            MetricType::Counter,
        )?;
        cpu.encode_counter::<NoLabelSet, f64, f64>(&now.cpu.as_secs_f64(), None)
    }
}
