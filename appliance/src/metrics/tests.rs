//! Counting, and what a scraper sees of it.

use super::*;
use crate::{
    memory::{Pool, PoolUsage},
    source::{Health, SourceName},
};

#[derive(Debug)]
struct Still(Pool);

impl Readings for Still {
    fn pool(&self) -> PoolUsage {
        self.0.usage()
    }

    fn endpoints(&self) -> Vec<EndpointReading> {
        vec![EndpointReading {
            upstream: "ghcr.io".parse().expect("a name"),
            endpoint: SourceName::new("https://ghcr.io"),
            health: Health::HalfOpen,
            wan_bytes: 77,
            requests: 5,
            latency: Some(Duration::from_millis(250)),
            faults: vec![("silent", 2)],
        }]
    }

    fn ledger(&self) -> Vec<LedgerReading> {
        vec![LedgerReading {
            upstream: "docker.io".parse().expect("a name"),
            limit: 100,
            remaining: 76,
        }]
    }

    fn wan(&self) -> WanReading {
        WanReading {
            received: 99,
            connections: 4,
            requests: vec![("blob", 3)],
        }
    }

    fn cache(&self) -> CacheReading {
        CacheReading {
            blobs: 3,
            inline: 1,
            files: 2,
            manifests: 1,
            tags: 1,
            bytes: 12,
            inline_bytes: 0,
            index_bytes: 4096,
            partials: 0,
            filling: 0,
            storing: Storing::Refused,
            bytes_limit: None,
            inodes_limit: Some(9),
            filesystem: None,
            commits: 7,
            reopens: 0,
            compactions: 0,
            damaged_rows: 1,
            errors: 1,
        }
    }

    fn watchdog(&self) -> super::WatchdogReading {
        super::WatchdogReading {
            silences: vec![("runtime", 3)],
            safe_mode: 1,
            paused: 0,
            resets: [("process", 2), ("machine", 1)],
        }
    }

    fn upkeep(&self) -> UpkeepReading {
        UpkeepReading {
            collections: vec![("high-mark", "done", 4)],
            evicted_pieces: 40,
            evicted_bytes: 4000,
            condemned: 2,
            worker: WorkerReading {
                started: 6,
                not_started: 5,
                killed: 3,
                died: 2,
                hung: 1,
                spared: 8,
                circuit: Circuit::Open,
            },
            inspections: vec![InspectionReading {
                what: "scan",
                done: 1,
                failed: 2,
                files: 30,
                bytes: 0,
                findings: [
                    ("shown", 0),
                    ("hidden", 0),
                    ("orphan", 8),
                    ("partial", 0),
                    ("lost", 7),
                    ("mismatch", 0),
                    ("unreadable", 0),
                    ("foreign", 9),
                    ("left", 0),
                ],
            }],
        }
    }

    fn watch(&self) -> WatchReading {
        WatchReading::default()
    }

    fn log_lines_dropped(&self) -> u64 {
        3
    }
}

#[test]
fn what_was_counted_is_rendered() {
    let metrics = Arc::new(Metrics::default());
    let exposition = Exposition::new(metrics.clone(), Arc::new(Still(Pool::new(8192))));
    metrics.request(
        Kind::Blob,
        http::StatusCode::PARTIAL_CONTENT,
        1000,
        Duration::from_millis(3),
    );
    metrics.request(Kind::Blob, http::StatusCode::OK, 24, Duration::from_secs(60));
    metrics.outcome(Kind::Blob, Outcome::Hit);
    metrics.outcome(Kind::Manifest, Outcome::Fill);
    metrics.fill_failed(FillFailure::Unavailable);
    metrics.fill_unstored();
    let filling = metrics.filling();
    let text = exposition.render().expect("text");
    for line in [
        "larder_requests_total{kind=\"blob\",status=\"2xx\"} 2",
        "larder_cache_outcomes_total{kind=\"blob\",outcome=\"hit\"} 1",
        "larder_first_byte_seconds_bucket{le=\"0.0025\",kind=\"blob\"} 0",
        "larder_first_byte_seconds_bucket{le=\"0.005\",kind=\"blob\"} 1",
        "larder_first_byte_seconds_bucket{le=\"+Inf\",kind=\"blob\"} 2",
        "larder_first_byte_seconds_count{kind=\"blob\"} 2",
        "larder_bytes_served_total 1024",
        "larder_fills_in_flight 1",
        "larder_fill_failures_total{reason=\"unavailable\"} 1",
        "larder_fills_started_total 1",
        "larder_fills_unstored_total 1",
        "larder_wan_bytes_total{upstream=\"ghcr.io\",endpoint=\"https://ghcr.io\"} 77",
        "larder_upstream_requests_total{upstream=\"ghcr.io\",endpoint=\"https://ghcr.io\"} 5",
        "larder_upstream_faults_total{upstream=\"ghcr.io\",endpoint=\"https://ghcr.io\",fault=\"silent\"} 2",
        "larder_upstream_latency_seconds{upstream=\"ghcr.io\",endpoint=\"https://ghcr.io\"} 0.25",
        "larder_wan_received_bytes_total 99",
        "larder_wan_requests_total{kind=\"blob\"} 3",
        "larder_upstream_health{upstream=\"ghcr.io\",endpoint=\"https://ghcr.io\",state=\"half-open\"} 1",
        "larder_upstream_health{upstream=\"ghcr.io\",endpoint=\"https://ghcr.io\",state=\"open\"} 0",
        "larder_ratelimit_remaining{upstream=\"docker.io\"} 76",
        "larder_buffer_capacity_bytes 8192",
        "larder_buffer_acquired_bytes_total 0",
        "larder_cache_bytes 12",
        "larder_cache_writable 0",
        "larder_cache_inodes_limit 9",
        "larder_log_lines_dropped_total 3",
        "larder_collections_total{why=\"high-mark\",ending=\"done\"} 4",
        "larder_evicted_pieces_total 40",
        "larder_evicted_bytes_total 4000",
        "larder_condemned_files 2",
        "larder_cache_damaged_rows_total 1",
        "larder_janitor_starts_total 6",
        "larder_janitor_start_failures_total 5",
        "larder_janitor_kills_total 3",
        "larder_janitor_deaths_total 2",
        "larder_janitor_hung_total 1",
        "larder_janitor_spared_total 8",
        "larder_janitor_circuit_open 1",
        "larder_watchdog_silence_seconds{part=\"runtime\"} 3",
        "larder_watchdog_resets{what=\"process\"} 2",
        "larder_watchdog_safe_mode 1",
        "larder_watchdog_paused 0",
        "larder_inspections_total{what=\"scan\",ending=\"failed\"} 2",
        "larder_inspected_files_total{what=\"scan\"} 30",
        "larder_inspection_findings_total{what=\"scan\",finding=\"lost\"} 7",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in:\n{text}");
    }
    assert!(text.contains("larder_build_info{version=") && text.contains("process_open_fds "));
    drop(filling);
    let totals = metrics.totals();
    assert_eq!((totals.hits, totals.misses, totals.fills_in_flight), (1, 1, 0));
    assert_eq!((totals.requests, totals.bytes_served), (2, 1024));
}
