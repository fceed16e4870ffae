//! `larder status`: how the box is, on one screen.

use std::fmt::Write as _;

use super::words::{age, bytes, part};
use crate::api::{EndpointState, Mode, Status, UpstreamStatus, Watching};

/// The screen.
pub(super) fn screen(status: &Status) -> String {
    let mut text = String::new();
    let mode = match status.mode {
        Mode::Serving => "serving",
        Mode::Degraded => "DEGRADED",
        Mode::Starting => "starting",
    };
    let up = age(status.uptime_seconds);
    let _ = writeln!(text, "larder {}: {mode}, up {up}", status.version);
    for reason in &status.reasons {
        let _ = writeln!(text, "  because: {reason}");
    }
    match &status.cache {
        None => text.push_str("cache      not open\n"),
        Some(cache) => {
            let _ = writeln!(
                text,
                "cache      {} of {} ({}), {} of {} inodes ({}); {} images, {} blobs",
                bytes(cache.bytes),
                bytes(cache.bytes_limit),
                part(cache.bytes, cache.bytes_limit),
                cache.inodes,
                cache.inodes_limit,
                part(cache.inodes, cache.inodes_limit),
                cache.images,
                cache.blobs,
            );
        }
    }
    let traffic = &status.traffic;
    let ratio = traffic
        .hit_ratio()
        .map_or("nothing asked for yet".into(), |ratio| {
            format!("{:.1} % hits", ratio * 100.0)
        });
    let _ = writeln!(
        text,
        "traffic    {} requests, {ratio}; {} served, {} over the WAN, {} saved",
        traffic.requests,
        bytes(traffic.bytes_served),
        bytes(traffic.wan_bytes),
        bytes(traffic.wan_bytes_saved()),
    );
    for found in &status.upstreams {
        upstream(&mut text, found);
    }
    if let Some(collector) = &status.collector {
        let last = collector
            .last_run_seconds_ago
            .map_or("never ran".into(), |seconds| format!("ran {} ago", age(seconds)));
        let _ = writeln!(
            text,
            "collector  {}, {last}, {} freed",
            collector.state,
            bytes(collector.freed_bytes)
        );
    }
    if let Some(last) = status
        .watchdog
        .as_ref()
        .and_then(|watchdog| watchdog.resets.last())
    {
        let ago = last
            .seconds_ago
            .map_or("some time ago".into(), |seconds| format!("{} ago", age(seconds)));
        let _ = writeln!(text, "watchdog   {ago}, {}", last.why);
    }
    if status.watching == Some(Watching::Off) {
        text.push_str(
            "watching   OFF: the box does not look after itself, and tells nobody (`monitor.interval`)\n",
        );
    }
    for alert in &status.alerts {
        let _ = writeln!(
            text,
            "ALERT      {} ({}, open {})",
            alert.summary,
            alert.id,
            age(alert.open_seconds)
        );
    }
    text
}

fn upstream(text: &mut String, upstream: &UpstreamStatus) {
    let limit = upstream
        .rate_limit
        .and_then(|limit| Some(format!("; {} of {} pulls left", limit.remaining?, limit.limit?)))
        .unwrap_or_default();
    for endpoint in &upstream.endpoints {
        let state = match endpoint.state {
            EndpointState::Healthy => "healthy".to_owned(),
            EndpointState::Probing => "PROBING after faults".to_owned(),
            EndpointState::Resting => match endpoint.retry_in_seconds {
                Some(seconds) => format!("RESTING after faults, asked again in {}", age(seconds)),
                None => "RESTING after faults".to_owned(),
            },
        };
        let answered = endpoint.answered_seconds_ago.map_or(String::new(), |seconds| {
            format!(", answered {} ago", age(seconds))
        });
        let _ = writeln!(
            text,
            "upstream   {} {}: {state}{answered}{limit}",
            upstream.name, endpoint.endpoint
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_says_it_all() {
        let status: Status = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "uptime_seconds": 7300, "mode": "degraded",
            "reasons": ["the disk is full: content passes through unstored"],
            "cache": {"bytes": 1_500_000_000, "bytes_limit": 3_000_000_000_u64, "inodes": 12, "inodes_limit": 100,
                "images": 3, "blobs": 20},
            "traffic": {"requests": 100, "hits": 30, "misses": 10, "bytes_served": 4096, "wan_bytes": 1024},
            "upstreams": [{"name": "docker.io", "rate_limit": {"limit": 100, "remaining": 76}, "endpoints": [
                {"endpoint": "https://registry-1.docker.io", "state": "resting", "retry_in_seconds": 20},
            ]}],
            "collector": {"state": "idle", "last_run_seconds_ago": null, "freed_bytes": 0},
            "watchdog": {"safe_mode": false, "late": [], "resets": [{"seconds_ago": 300, "what": "process",
                "why": "the process was started anew: index made no progress for 300 s"}]},
            "watching": {"state": "off"},
            "alerts": [{"id": "7", "summary": "the disk is full", "open_seconds": 61}],
            "from_the_future": true,
        }))
        .expect("a status");
        assert_eq!(
            screen(&status),
            "\
larder 0.1.0: DEGRADED, up 2h
  because: the disk is full: content passes through unstored
cache      1.4 GiB of 2.8 GiB (50 %), 12 of 100 inodes (12 %); 3 images, 20 blobs
traffic    100 requests, 75.0 % hits; 4.0 KiB served, 1.0 KiB over the WAN, 3.0 KiB saved
upstream   docker.io https://registry-1.docker.io: RESTING after faults, asked again in 20s; 76 of 100 pulls left
collector  idle, never ran, 0 B freed
watchdog   5m ago, the process was started anew: index made no progress for 300 s
watching   OFF: the box does not look after itself, and tells nobody (`monitor.interval`)
ALERT      the disk is full (7, open 1m)
"
        );
    }
}
