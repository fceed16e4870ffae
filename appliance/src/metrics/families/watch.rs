//! What the box watches, and whom it tells.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::MetricType::{Counter, Gauge},
};

use super::{counter, gauge, seconds, singles};
use crate::metrics::Readings;

/// Asked when somebody scrapes.
#[derive(Debug)]
pub(in crate::metrics) struct Watch(pub(in crate::metrics) Arc<dyn Readings>);

impl Collector for Watch {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let reading = self.0.watch();
        let help = "Time between two looks of the box at itself; 0: it does not look, and tells nobody";
        let mut family = to.encode_descriptor("larder_monitor_interval_seconds", help, None, Gauge)?;
        let interval = reading.interval.unwrap_or_default().as_secs_f64();
        family.encode_gauge(&interval)?;
        let help = "What the box last sampled of itself and could believe, by metric and thing";
        let mut family = to.encode_descriptor("larder_sample", help, None, Gauge)?;
        for (metric, of, value) in &reading.samples {
            seconds(&mut family, [("metric", metric), ("of", of)], *value)?;
        }
        let help = "Samples that were dropped because they cannot be true";
        let mut family = to.encode_descriptor("larder_samples_dropped", help, None, Counter)?;
        for (metric, reason, count) in &reading.dropped {
            counter(&mut family, [("metric", metric), ("reason", reason)], *count)?;
        }
        let help = "Incidents that are not over, by severity and phase";
        let mut family = to.encode_descriptor("larder_alerts", help, None, Gauge)?;
        for (severity, phase, count) in &reading.alerts {
            gauge(&mut family, [("severity", severity), ("phase", phase)], *count)?;
        }
        let help = "Messages about incidents that a receiver has had";
        let mut family = to.encode_descriptor("larder_alert_messages", help, None, Counter)?;
        for receiver in &reading.receivers {
            counter(&mut family, [("receiver", &receiver.name)], receiver.delivered)?;
        }
        let help = "How long nothing has reached a receiver; 0 while it does";
        let mut family = to.encode_descriptor("larder_alert_receiver_failing_seconds", help, None, Gauge)?;
        for receiver in &reading.receivers {
            let failing = receiver.failing.as_secs_f64();
            seconds(&mut family, [("receiver", &receiver.name)], failing)?;
        }
        singles(
            &mut to,
            [(
                "larder_alert_letters_lost",
                "Letters about incidents that nobody has had because too many waited",
                Counter,
                reading.lost,
            )],
        )
    }
}
