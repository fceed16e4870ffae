//! What is counted as it happens: requests, outcomes, fills.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::MetricType::{Counter, Gauge, Histogram},
};

use super::{counter, histogram, singles};
use crate::metrics::{FillFailure, Kind, Metrics, Outcome, StatusClass};

/// Everything that [`Metrics`] counts.
#[derive(Debug)]
pub(in crate::metrics) struct Counted(pub(in crate::metrics) Arc<Metrics>);

impl Collector for Counted {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(metrics) = self;
        let load = |count: &AtomicU64| count.load(Relaxed);
        let mut family = to.encode_descriptor("larder_requests", "Requests answered", None, Counter)?;
        for kind in Kind::ALL {
            for class in StatusClass::ALL {
                let value = load(&metrics.requests[kind.place()][class.place()]);
                // A class that a kind never had is left out: most are, for ever.
                if value > 0 {
                    let labels = [("kind", kind.as_str()), ("status", class.as_str())];
                    counter(&mut family, labels, value)?;
                }
            }
        }
        let help = "How content was come by";
        let mut family = to.encode_descriptor("larder_cache_outcomes", help, None, Counter)?;
        for kind in [Kind::Manifest, Kind::Blob, Kind::Tags, Kind::Referrers] {
            for outcome in Outcome::ALL {
                let value = load(&metrics.outcomes[kind.place()][outcome.place()]);
                let labels = [("kind", kind.as_str()), ("outcome", outcome.as_str())];
                counter(&mut family, labels, value)?;
            }
        }
        let help = "From the head of a request to the head of the answer";
        let mut family = to.encode_descriptor("larder_first_byte_seconds", help, None, Histogram)?;
        for kind in Kind::ALL {
            let times = &metrics.first_byte[kind.place()];
            histogram(&mut family, [("kind", kind.as_str())], times)?;
        }
        singles(
            &mut to,
            [
                (
                    "larder_bytes_served",
                    "Bytes of bodies sent to clients",
                    Counter,
                    load(&metrics.bytes_served),
                ),
                (
                    "larder_fills_in_flight",
                    "Fills under way",
                    Gauge,
                    load(&metrics.fills_in_flight),
                ),
                (
                    "larder_fills_started",
                    "Fills begun",
                    Counter,
                    load(&metrics.fills_started),
                ),
                (
                    "larder_fills_completed",
                    "Fills that were verified and kept",
                    Counter,
                    load(&metrics.fills_completed),
                ),
                (
                    "larder_fills_unstored",
                    "Fills that the disk would not keep",
                    Counter,
                    load(&metrics.fills_unstored),
                ),
            ],
        )?;
        let help = "Fills that ended without their content";
        let mut family = to.encode_descriptor("larder_fill_failures", help, None, Counter)?;
        for failure in FillFailure::ALL {
            let value = load(&metrics.fill_failures[failure.place()]);
            counter(&mut family, [("reason", failure.as_str())], value)?;
        }
        Ok(())
    }
}
