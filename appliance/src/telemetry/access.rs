//! The access log: one line per request.

use std::{net::IpAddr, time::Duration};

use crate::metrics::Outcome;

/// A request that was answered. Borrowed throughout: nothing is allocated but the line itself.
#[derive(Clone, Debug)]
pub struct Access<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// With its upstream: `docker.io/library/alpine`.
    pub repository: Option<&'a str>,
    pub status: u16,
    pub outcome: Option<Outcome>,
    /// Who supplied the content.
    pub source: Option<&'a str>,
    /// Why it was not served.
    pub reason: Option<&'a str>,
    /// Of the body, as far as it was sent.
    pub bytes: u64,
    /// From the request's head to our head.
    pub ttfb: Duration,
    /// To the last byte, or to the moment the client left.
    pub duration: Duration,
    pub client: IpAddr,
    pub user_agent: Option<&'a str>,
}

impl Access<'_> {
    /// Writes the line, if the target `access` is on.
    pub fn log(&self) {
        tracing::info!(
            target: "access",
            method = self.method,
            path = self.path,
            repository = self.repository,
            status = self.status,
            cache = self.outcome.map(Outcome::as_str),
            source = self.source,
            reason = self.reason,
            bytes = self.bytes,
            ttfb_ms = millis(self.ttfb),
            duration_ms = millis(self.duration),
            client = %self.client,
            user_agent = self.user_agent,
        );
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}
