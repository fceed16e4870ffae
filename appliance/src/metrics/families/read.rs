//! What is read when somebody scrapes: the memory budget, the cache, the log.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::DescriptorEncoder,
    metrics::MetricType::{Counter, Gauge},
};

use super::{Single, singles};
use crate::{
    memory::PoolUsage,
    metrics::{CacheReading, Readings, Storing},
};

/// The state of the box itself.
#[derive(Debug)]
pub(in crate::metrics) struct Read(pub(in crate::metrics) Arc<dyn Readings>);

impl Collector for Read {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(readings) = self;
        singles(&mut to, pool(readings.pool()))?;
        let cache = readings.cache();
        singles(&mut to, held(&cache))?;
        singles(&mut to, room(&cache))?;
        let dropped = readings.log_lines_dropped();
        singles(
            &mut to,
            [(
                "larder_log_lines_dropped",
                "Log lines nobody read in time",
                Counter,
                dropped,
            )],
        )
    }
}

fn pool(pool: PoolUsage) -> [Single; 6] {
    [
        (
            "larder_buffer_capacity_bytes",
            "The budget for bytes in flight",
            Gauge,
            pool.capacity,
        ),
        (
            "larder_buffer_in_use_bytes",
            "Bytes in flight",
            Gauge,
            pool.in_use,
        ),
        (
            "larder_buffer_acquired_bytes",
            "Bytes of the budget that were taken",
            Counter,
            pool.acquired,
        ),
        (
            "larder_buffer_released_bytes",
            "Bytes of the budget that were given back",
            Counter,
            pool.released,
        ),
        (
            "larder_buffer_waiting",
            "Tasks that wait for room in the budget",
            Gauge,
            pool.waiting,
        ),
        (
            "larder_buffer_exhausted",
            "Waits that ended without room",
            Counter,
            pool.exhausted,
        ),
    ]
}

fn held(cache: &CacheReading) -> [Single; 16] {
    let writable = u64::from(cache.storing == Storing::Kept);
    [
        (
            "larder_cache_blobs",
            "Blobs and manifests that the cache holds",
            Gauge,
            cache.blobs,
        ),
        (
            "larder_cache_inline_blobs",
            "Of them, in the index",
            Gauge,
            cache.inline,
        ),
        ("larder_cache_files", "Blob files", Gauge, cache.files),
        (
            "larder_cache_manifests",
            "Manifests, once for each repository that has them",
            Gauge,
            cache.manifests,
        ),
        (
            "larder_cache_tags",
            "Tags that the cache knows",
            Gauge,
            cache.tags,
        ),
        (
            "larder_cache_bytes",
            "Bytes of content that the cache holds",
            Gauge,
            cache.bytes,
        ),
        (
            "larder_cache_inline_bytes",
            "Of them, in the index",
            Gauge,
            cache.inline_bytes,
        ),
        (
            "larder_cache_index_bytes",
            "Length of the index's file",
            Gauge,
            cache.index_bytes,
        ),
        (
            "larder_cache_partials",
            "Blobs that began to arrive and are not whole",
            Gauge,
            cache.partials,
        ),
        (
            "larder_cache_filling",
            "Of them, arriving now",
            Gauge,
            cache.filling,
        ),
        (
            "larder_cache_writable",
            "1 while content is kept, 0 while it passes through",
            Gauge,
            writable,
        ),
        (
            "larder_cache_commits",
            "Durable transactions of the index",
            Counter,
            cache.commits,
        ),
        (
            "larder_cache_reopens",
            "Times the index was opened anew",
            Counter,
            cache.reopens,
        ),
        (
            "larder_cache_compactions",
            "Times a smaller file took the index's place",
            Counter,
            cache.compactions,
        ),
        (
            "larder_cache_errors",
            "Transactions and openings of the index that failed",
            Counter,
            cache.errors,
        ),
        (
            "larder_cache_damaged_rows",
            "Rows of the index that could not be read, and were removed",
            Counter,
            cache.damaged_rows,
        ),
    ]
}

/// Limits and free room, as far as they are known.
fn room(cache: &CacheReading) -> impl Iterator<Item = Single> {
    let limits = [
        cache.bytes_limit.map(|limit| {
            (
                "larder_cache_bytes_limit",
                "Bytes that the cache may hold",
                Gauge,
                limit,
            )
        }),
        cache.inodes_limit.map(|limit| {
            (
                "larder_cache_inodes_limit",
                "Files that the cache may hold",
                Gauge,
                limit,
            )
        }),
    ];
    let filesystem = cache.filesystem.map(|room| {
        [
            (
                "larder_filesystem_bytes",
                "Size of the cache's filesystem",
                Gauge,
                room.bytes,
            ),
            (
                "larder_filesystem_free_bytes",
                "Of it, free",
                Gauge,
                room.free_bytes,
            ),
            (
                "larder_filesystem_inodes",
                "Inodes of the cache's filesystem, 0 if it has no limit",
                Gauge,
                room.inodes,
            ),
            (
                "larder_filesystem_free_inodes",
                "Of them, free",
                Gauge,
                room.free_inodes,
            ),
        ]
    });
    limits
        .into_iter()
        .flatten()
        .chain(filesystem.into_iter().flatten())
}
