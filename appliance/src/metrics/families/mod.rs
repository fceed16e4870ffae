//! The families of metrics: their names, their help, their labels.

mod counted;
mod process;
mod read;
mod upkeep;
mod upstreams;
mod watch;
mod watchdog;

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

pub(super) use self::{
    counted::Counted, process::Process, read::Read, upkeep::Upkeep, upstreams::Upstreams, watch::Watch,
    watchdog::Watchdog,
};
use super::Histogram;

type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

/// A family of one value, without labels: name, help, type and value.
type Single = (&'static str, &'static str, MetricType, u64);

fn counter<const N: usize>(family: &mut MetricEncoder<'_>, labels: Labels<'_, N>, value: u64) -> fmt::Result {
    let mut metric = family.encode_family(&labels)?;
    metric.encode_counter::<NoLabelSet, u64, u64>(&value, None)
}

fn gauge<const N: usize>(family: &mut MetricEncoder<'_>, labels: Labels<'_, N>, value: u64) -> fmt::Result {
    family.encode_family(&labels)?.encode_gauge(&signed(value))
}

fn seconds<const N: usize>(family: &mut MetricEncoder<'_>, labels: Labels<'_, N>, value: f64) -> fmt::Result {
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

fn singles(to: &mut DescriptorEncoder<'_>, rows: impl IntoIterator<Item = Single>) -> fmt::Result {
    for (name, help, kind, value) in rows {
        let is_counter = matches!(kind, MetricType::Counter);
        let mut family = to.encode_descriptor(name, help, None, kind)?;
        if is_counter {
            family.encode_counter::<NoLabelSet, u64, u64>(&value, None)?;
        } else {
            family.encode_gauge(&signed(value))?;
        }
    }
    Ok(())
}

/// Gauges are signed; nothing measured here reaches 2^63.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
