//! The state of the box, for a scraper.

use super::facts::Facts;
use crate::{
    cache::State,
    memory::PoolUsage,
    metrics::{
        CacheReading, EndpointReading, FilesystemReading, LedgerReading, Readings, Storing, WanReading,
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
            errors: stats.counters.errors,
        }
    }

    fn log_lines_dropped(&self) -> u64 {
        self.log.dropped_lines()
    }
}
