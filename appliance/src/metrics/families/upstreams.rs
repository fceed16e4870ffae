//! What came over the WAN, and how each endpoint does.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::MetricType::{Counter, Gauge},
};

use super::{Labels, counter, gauge, seconds, singles};
use crate::{
    metrics::{EndpointReading, Readings},
    source::Health,
};

/// Everything about the WAN, read when somebody scrapes.
#[derive(Debug)]
pub(in crate::metrics) struct Upstreams(pub(in crate::metrics) Arc<dyn Readings>);

impl Collector for Upstreams {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let endpoints = self.0.endpoints();
        of_endpoints(&mut to, &endpoints)?;
        let ledger = self.0.ledger();
        let help = "Requests that an upstream allows in its window";
        let mut family = to.encode_descriptor("larder_ratelimit_limit", help, None, Gauge)?;
        for row in &ledger {
            gauge(&mut family, [("upstream", row.upstream.as_str())], row.limit)?;
        }
        let help = "Of the requests that an upstream allows, left";
        let mut family = to.encode_descriptor("larder_ratelimit_remaining", help, None, Gauge)?;
        for row in &ledger {
            gauge(&mut family, [("upstream", row.upstream.as_str())], row.remaining)?;
        }
        let wan = self.0.wan();
        singles(
            &mut to,
            [
                (
                    "larder_wan_received_bytes",
                    "Bytes received over the WAN, headers and encryption included",
                    Counter,
                    wan.received,
                ),
                (
                    "larder_wan_connections",
                    "Connections opened to upstreams",
                    Counter,
                    wan.connections,
                ),
            ],
        )?;
        let help = "HTTP requests sent to upstreams, by what was asked";
        let mut family = to.encode_descriptor("larder_wan_requests", help, None, Counter)?;
        for (kind, count) in wan.requests {
            counter(&mut family, [("kind", kind)], count)?;
        }
        Ok(())
    }
}

fn of_endpoints(to: &mut DescriptorEncoder<'_>, endpoints: &[EndpointReading]) -> fmt::Result {
    let help = "Bytes of blobs that came from upstreams";
    let mut family = to.encode_descriptor("larder_wan_bytes", help, None, Counter)?;
    for endpoint in endpoints {
        counter(&mut family, labels(endpoint), endpoint.wan_bytes)?;
    }
    let help = "Calls to upstreams";
    let mut family = to.encode_descriptor("larder_upstream_requests", help, None, Counter)?;
    for endpoint in endpoints {
        counter(&mut family, labels(endpoint), endpoint.requests)?;
    }
    let help = "Calls to upstreams that failed";
    let mut family = to.encode_descriptor("larder_upstream_faults", help, None, Counter)?;
    for endpoint in endpoints {
        for (fault, count) in &endpoint.faults {
            let [upstream, name] = labels(endpoint);
            counter(&mut family, [upstream, name, ("fault", fault)], *count)?;
        }
    }
    let help = "From a request to an upstream to the head of its answer, smoothed";
    let mut family = to.encode_descriptor("larder_upstream_latency_seconds", help, None, Gauge)?;
    for endpoint in endpoints {
        if let Some(latency) = endpoint.latency {
            seconds(&mut family, labels(endpoint), latency.as_secs_f64())?;
        }
    }
    let help = "1 for the state that an endpoint is in";
    let mut family = to.encode_descriptor("larder_upstream_health", help, None, Gauge)?;
    for endpoint in endpoints {
        let now = match endpoint.health {
            Health::Closed { .. } => "closed",
            Health::Open { .. } => "open",
            Health::HalfOpen => "half-open",
        };
        for state in ["closed", "open", "half-open"] {
            let [upstream, name] = labels(endpoint);
            gauge(
                &mut family,
                [upstream, name, ("state", state)],
                u64::from(state == now),
            )?;
        }
    }
    Ok(())
}

fn labels(endpoint: &EndpointReading) -> Labels<'_, 2> {
    [
        ("upstream", endpoint.upstream.as_str()),
        ("endpoint", endpoint.endpoint.as_str()),
    ]
}
