//! The state of the box, for a scraper.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::facts::Facts;
use crate::{
    alert::Reached,
    cache::State,
    inspection::{Outcomes, What},
    memory::PoolUsage,
    metrics::{
        CacheReading, Circuit, EndpointReading, FilesystemReading, InspectionReading, LedgerReading,
        Readings, ReceiverReading, Storing, UpkeepReading, WanReading, WatchReading, WatchdogReading,
        WorkerReading,
    },
};

impl Readings for Facts {
    fn pool(&self) -> PoolUsage {
        self.mirror.budget().usage()
    }

    fn endpoints(&self) -> Vec<EndpointReading> {
        let reading = |endpoint: crate::upstream::EndpointStatus| EndpointReading {
            upstream: endpoint.upstream,
            endpoint: endpoint.name,
            health: endpoint.health,
            wan_bytes: endpoint.wan_bytes,
            requests: endpoint.requests,
            latency: endpoint.latency,
            faults: endpoint.faults,
        };
        self.endpoints().into_iter().map(reading).collect()
    }

    fn ledger(&self) -> Vec<LedgerReading> {
        let mut ledgers: Vec<LedgerReading> = Vec::new();
        for endpoint in self.endpoints() {
            if let Some(ledger) = endpoint.ledger
                && ledgers.iter().all(|known| known.upstream != endpoint.upstream)
            {
                ledgers.push(LedgerReading {
                    upstream: endpoint.upstream,
                    limit: ledger.limit,
                    remaining: ledger.remaining,
                });
            }
        }
        ledgers
    }

    fn wan(&self) -> WanReading {
        let usage = self.client.usage();
        WanReading {
            received: usage.wan_bytes,
            connections: usage.connections,
            requests: usage.requests,
        }
    }

    fn cache(&self) -> CacheReading {
        let stats = self.mirror.cache().stats();
        CacheReading {
            blobs: stats.blobs,
            inline: stats.inline,
            files: stats.files,
            manifests: stats.manifests,
            tags: stats.tags,
            bytes: stats.bytes,
            inline_bytes: stats.inline_bytes,
            index_bytes: stats.index_bytes,
            partials: stats.partials,
            filling: stats.filling,
            storing: match stats.state {
                State::Healthy => Storing::Kept,
                State::PassThrough { .. } => Storing::Refused,
            },
            bytes_limit: stats.max_bytes,
            inodes_limit: stats.max_inodes,
            filesystem: stats.space.map(|space| FilesystemReading {
                bytes: space.bytes,
                free_bytes: space.free_bytes,
                inodes: space.inodes,
                free_inodes: space.free_inodes,
            }),
            commits: stats.counters.commits,
            reopens: stats.counters.reopens,
            compactions: stats.counters.compactions,
            damaged_rows: stats.counters.damaged_rows,
            errors: stats.counters.errors,
        }
    }

    fn upkeep(&self) -> UpkeepReading {
        let counts = self.collector.counts();
        let janitor = self.janitor.state();
        let is_open = janitor
            .resting
            .is_some_and(|resting| Instant::now() < resting.until);
        let tally = self.inspector.tally();
        let collections = counts.collections.iter();
        UpkeepReading {
            collections: collections
                .map(|((why, ending), count)| (*why, *ending, *count))
                .collect(),
            evicted_pieces: counts.pieces,
            evicted_bytes: counts.bytes,
            condemned: self.mirror.cache().stats().condemned,
            worker: WorkerReading {
                started: janitor.counts.started,
                not_started: janitor.counts.not_started,
                killed: janitor.counts.killed,
                died: janitor.counts.died,
                hung: janitor.counts.hung,
                spared: janitor.counts.spared,
                circuit: if is_open { Circuit::Open } else { Circuit::Closed },
            },
            inspections: What::ALL
                .into_iter()
                .zip(tally)
                .map(|(what, outcomes)| inspected(what, &outcomes))
                .collect(),
        }
    }

    fn watch(&self) -> WatchReading {
        let now = self.clock.now();
        let board = self.board.lock();
        let sampled = board.now().filter_map(|one| {
            let value = f64::from(one.last?.value);
            Some((one.series.metric.name(), one.series.of.as_str().to_owned(), value))
        });
        let samples = sampled.collect();
        let dropped = board.dropped();
        let dropped = dropped
            .map(|(metric, why, count)| (metric.name(), why.word(), count))
            .collect();
        drop(board);
        self.book.look(now, |views, _, head| {
            let mut alerts: BTreeMap<_, u64> = BTreeMap::new();
            for view in &views {
                let incident = view.incident;
                let key = (incident.terms.severity.word(), incident.phase.word());
                *alerts.entry(key).or_default() += 1;
            }
            let receiver = |(name, reached): (&String, &Reached)| ReceiverReading {
                name: name.clone(),
                delivered: reached.delivered,
                failing: reached
                    .failing
                    .as_ref()
                    .and_then(|failing| failing.since.age(now))
                    .unwrap_or_default(),
            };
            WatchReading {
                samples,
                dropped,
                alerts: alerts
                    .into_iter()
                    .map(|((severity, phase), count)| (severity, phase, count))
                    .collect(),
                receivers: head.reached.iter().map(receiver).collect(),
                lost: head.lost,
                interval: self.site.load().config.monitor.interval.interval(),
            }
        })
    }

    fn watchdog(&self) -> WatchdogReading {
        self.watched.reading()
    }

    fn log_lines_dropped(&self) -> u64 {
        self.log.dropped_lines()
    }
}

fn inspected(what: What, outcomes: &Outcomes) -> InspectionReading {
    let sums = &outcomes.sums;
    InspectionReading {
        what: what.word(),
        done: outcomes.done,
        failed: outcomes.failed,
        files: sums.files,
        bytes: sums.bytes,
        findings: [
            ("shown", sums.shown),
            ("hidden", sums.hidden),
            ("orphan", sums.orphans),
            ("partial", sums.partials),
            ("lost", sums.lost),
            ("mismatch", sums.mismatched),
            ("unreadable", sums.unreadable),
            ("foreign", sums.foreign),
            ("left", sums.left),
        ],
    }
}
