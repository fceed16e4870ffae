//! Whether the parts of the box get on, and what became of it when one did not.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, metrics::MetricType::Gauge};

use super::{gauge, singles};
use crate::metrics::Readings;

/// Asked when somebody scrapes.
#[derive(Debug)]
pub(in crate::metrics) struct Watchdog(pub(in crate::metrics) Arc<dyn Readings>);

impl Collector for Watchdog {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let reading = self.0.watchdog();
        let help = "For how long a part has made no progress though it has something to do";
        let mut family = to.encode_descriptor("larder_watchdog_silence_seconds", help, None, Gauge)?;
        for (part, seconds) in &reading.silences {
            gauge(&mut family, [("part", part)], *seconds)?;
        }
        let help = "Resets by the watchdog that are remembered, by what was reset";
        let mut family = to.encode_descriptor("larder_watchdog_resets", help, None, Gauge)?;
        for (what, count) in reading.resets {
            gauge(&mut family, [("what", what)], count)?;
        }
        singles(
            &mut to,
            [
                (
                    "larder_watchdog_safe_mode",
                    "1 while the box only serves, because it was reset again and again",
                    Gauge,
                    reading.safe_mode,
                ),
                (
                    "larder_watchdog_paused",
                    "1 while what can wait waits because memory is short",
                    Gauge,
                    reading.paused,
                ),
            ],
        )
    }
}
