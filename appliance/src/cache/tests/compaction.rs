//! The index is compacted while it is in use.

use std::collections::BTreeSet;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::*;
use crate::{
    cache::{
        collection::carry_out,
        index::{Guard, Unit},
    },
    clock::Timestamp,
    oci::Image,
};

/// A filesystem on which a few MiB matter.
const SMALL: Space = Space {
    bytes: 100 << 20,
    free_bytes: 60 << 20,
    inodes: 0,
    free_inodes: 0,
};

/// A cache most of whose inline blobs are gone. Those that are left; some of them lie at the end of the file.
async fn thinned(cache: &Cache) -> Vec<Bytes> {
    let name = repository("a");
    let all: Vec<_> = (0..4000).map(|seed| content(seed, 1000)).collect();
    let last: Vec<_> = (4000..4005).map(|seed| content(seed, 20_000)).collect();
    for blobs in [&all, &last] {
        let puts = blobs.iter().map(|bytes| cache.put_small(&name, small(bytes)));
        for put in futures_util::future::join_all(puts).await {
            put.expect("stored");
        }
    }
    let (stay, go): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(n, _)| n % 40 == 0);
    let gone: Vec<_> = go.iter().map(|(_, bytes)| digest(bytes)).collect();
    let evictions = gone.iter().map(|digest| cache.evict(digest));
    for eviction in futures_util::future::join_all(evictions).await {
        eviction.expect("gone");
    }
    stay.into_iter().map(|(_, bytes)| bytes).chain(last).collect()
}

fn all_seen(cache: &Cache, blobs: &[Bytes]) {
    for bytes in blobs {
        let found = seen(cache, &repository("a"), &digest(bytes));
        assert!(found.is_some_and(|found| found == *bytes));
    }
}

type Raw = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What the tables say that have rows of bytes, in a folder that nobody uses.
fn rows(dir: &Path) -> BTreeSet<(&'static str, Vec<u8>, Vec<u8>)> {
    let database = Database::open(dir.join("index.redb")).expect("opened");
    let reading = database.begin_read().expect("begun");
    let mut rows = BTreeSet::new();
    for table in ["blobs", "inline", "manifests", "tags", "referrers", "fills"] {
        let open = reading.open_table(Raw::new(table)).expect("there");
        for row in open.iter().expect("read") {
            let (key, value) = row.expect("read");
            rows.insert((table, key.value().to_vec(), value.value().to_vec()));
        }
    }
    rows
}

/// Takes blobs off the list, of which one was used since that was planned.
async fn take(cache: &Cache, blobs: &[&Bytes], used: &Bytes) -> (Taken, Vec<usize>) {
    let watch = Arc::new(cache.inner.uses.watch());
    cache.used(&digest(used));
    let alone = |bytes: &&Bytes| Unit {
        freed: vec![digest(bytes)],
        ..Unit::default()
    };
    let units = blobs.iter().map(alone).collect();
    let taken = carry_out(&cache.inner, units, Guard::Demand(watch)).await;
    taken.expect("taken off the list")
}

fn reference(text: &str) -> Image {
    let upstream = "docker.io".parse().expect("valid");
    Image::parse(text, &upstream, |_| true).expect("valid")
}

#[tokio::test]
async fn it_gets_smaller_and_says_the_same() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let (name, layer) = (repository("b"), content(9000, 100_000));
    fill(&cache, &name, &layer).await.expect("published");
    let image = manifest("{}");
    cache.put_manifest(&name, &image).await.expect("stored");
    cache
        .put_tag(&name, &tag("1"), image.digest, Timestamp(7))
        .await
        .expect("stored");
    cache
        .put_referrers(&name, &image.digest, Bytes::from_static(b"[]"), Timestamp(9))
        .await
        .expect("stored");
    cache.pin(&reference("b:1")).await.expect("pinned");
    let before = (rows(crashed(&bed.dir).path()), cache.stats());
    bed.faulty.space_is(SMALL);
    let occupancy = cache.index_occupancy().expect("read");
    assert!(occupancy.is_worth_it, "{occupancy:?}");

    let compacted = cache.compact_index(CompactWhen::Idle).await.expect("compacted");
    assert_eq!(compacted.before, occupancy.length);
    assert!(compacted.after * 3 < compacted.before, "{compacted:?}");
    all_seen(&cache, &stay);
    assert_eq!(seen(&cache, &name, &digest(&layer)), Some(layer.to_vec()));
    let stats = cache.stats();
    assert_eq!(
        (stats.blobs, stats.bytes, stats.files, stats.tags),
        (before.1.blobs, before.1.bytes, before.1.files, before.1.tags)
    );
    assert_eq!((stats.counters.compactions, stats.counters.reopens), (1, 0));
    assert_eq!(cache.pins().expect("read"), ["docker.io/library/b:1"]);
    assert!(!bed.dir.join("index.redb.new").exists());
    let occupancy = cache.index_occupancy().expect("read");
    assert!(!occupancy.is_worth_it, "not at once again: {occupancy:?}");

    cache.close().await;
    assert_eq!(rows(&bed.dir), before.0);
    let cache = bed.open().await;
    all_seen(&cache, &stay);
    cache.compact_index(CompactWhen::Idle).await.expect("compacted");
    all_seen(&cache, &stay);
}

#[tokio::test]
async fn what_changes_while_it_is_copied_is_in_the_copy() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let name = repository("a");
    let image = manifest("{\"a\": 1}");
    cache.put_manifest(&name, &image).await.expect("stored");
    for text in ["1", "2"] {
        cache
            .put_tag(&name, &tag(text), image.digest, Timestamp(7))
            .await
            .expect("stored");
    }
    let held = bed.faulty.hold(Call::Create, "index.redb.new");
    let compacting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.compact_index(CompactWhen::Idle).await }
    });
    let held = held.reached().await;
    // Each kind of change, while the copy is that of a moment before.
    let (late, layer) = (content(9001, 500), content(9002, 50_000));
    cache.put_small(&name, small(&late)).await.expect("stored");
    fill(&cache, &name, &layer).await.expect("published");
    cache.evict(&digest(&stay[0])).await.expect("gone");
    cache.forget_tag(&name, &tag("2")).await.expect("forgotten");
    cache.pin(&reference("a:1")).await.expect("pinned");
    cache.pin(&reference("a:2")).await.expect("pinned");
    cache.unpin(&reference("a:2")).await.expect("unpinned");
    cache
        .show(&repository("other"), &digest(&late))
        .await
        .expect("shown");
    let (taken, spared) = take(&cache, &[&stay[1], &stay[2]], &stay[1]).await;
    assert_eq!((taken.pieces, spared), (1, vec![0]));
    // Too late for what has gone.
    cache.used(&digest(&stay[2]));
    let now = rows(crashed(&bed.dir).path());
    drop(held);
    compacting.await.expect("run").expect("compacted");

    assert_eq!(cache.stats().counters.compactions, 1);
    assert_eq!(seen(&cache, &name, &digest(&late)), Some(late.to_vec()));
    assert_eq!(
        seen(&cache, &repository("other"), &digest(&late)),
        Some(late.to_vec())
    );
    assert_eq!(seen(&cache, &name, &digest(&layer)), Some(layer.to_vec()));
    assert!(cache.tag(&name, &tag("1")).expect("read").is_some());
    assert!(cache.tag(&name, &tag("2")).expect("read").is_none());
    assert_eq!(cache.pins().expect("read"), ["docker.io/library/a:1"]);
    for gone in [&stay[0], &stay[2]] {
        assert_eq!(seen(&cache, &name, &digest(gone)), None);
    }
    assert!(seen(&cache, &name, &digest(&stay[1])).is_some(), "it was spared");
    cache.close().await;
    assert_eq!(rows(&bed.dir), now);
}

#[tokio::test]
async fn a_copy_that_fails_leaves_everything_as_it_was() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let faults = [
        (Call::Create, Errno::NOSPC),
        (Call::Allocate, Errno::IO),
        (Call::Truncate, Errno::NOSPC),
        (Call::Write, Errno::NOSPC),
        (Call::Write, Errno::IO),
        (Call::Sync, Errno::IO),
        (Call::Rename, Errno::NOSPC),
        (Call::Rename, Errno::IO),
    ];
    for (call, errno) in faults {
        bed.faulty.fail(move |this, path| {
            let is_copy = path.to_string_lossy().ends_with("index.redb.new");
            (this == call && is_copy).then_some(errno)
        });
        let outcome = cache.compact_index(CompactWhen::Idle).await;
        bed.faulty.heal();
        if (call, errno) == (Call::Allocate, Errno::IO) {
            // A filesystem that cannot allocate ahead.
            outcome.expect("compacted");
        } else {
            let error = outcome.expect_err("refused");
            assert!(
                error.to_string().starts_with("compact the index"),
                "{call:?}: {error}"
            );
        }
        assert!(!bed.dir.join("index.redb.new").exists(), "{call:?}");
        assert!(matches!(cache.state(), State::Healthy), "{call:?}");
        assert_eq!(cache.stats().counters.reopens, 0, "{call:?}");
        all_seen(&cache, &stay);
    }
    let late = content(9001, 500);
    cache
        .put_small(&repository("a"), small(&late))
        .await
        .expect("stored");
    cache.compact_index(CompactWhen::Idle).await.expect("compacted");
    all_seen(&cache, &stay);
    all_seen(&cache, &[late]);
}

#[tokio::test]
async fn an_index_whose_new_name_may_not_last_is_opened_anew() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let dir = bed.dir.clone();
    bed.faulty
        .fail(move |call, path| (call == Call::SyncFolder && path == dir).then_some(Errno::IO));
    cache.compact_index(CompactWhen::Idle).await.expect_err("refused");
    bed.faulty.heal();
    assert_eq!(cache.stats().counters.reopens, 1);
    all_seen(&cache, &stay);
    let late = content(9001, 500);
    cache
        .put_small(&repository("a"), small(&late))
        .await
        .expect("stored");
    cache.close().await;
    let cache = bed.open().await;
    all_seen(&cache, &stay);
    all_seen(&cache, &[late]);
}

#[tokio::test]
async fn a_power_cut_at_any_step_costs_nothing() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let cuts: Arc<Mutex<Vec<(Call, TempDir)>>> = Arc::default();
    let (dir, taken) = (bed.dir.clone(), cuts.clone());
    let mut writes = 0;
    bed.faulty.fail(move |call, path| {
        // Before each step, and before some of the many writes.
        writes += u64::from(call == Call::Write);
        if path.starts_with(&dir) && (call != Call::Write || writes % 40 == 0) {
            taken.lock().push((call, crashed(&dir)));
        }
        None
    });
    cache.compact_index(CompactWhen::Idle).await.expect("compacted");
    bed.faulty.heal();
    let cuts = std::mem::take(&mut *cuts.lock());
    let steps: Vec<_> = cuts.iter().map(|(call, _)| *call).collect();
    for step in [
        Call::Create,
        Call::Write,
        Call::Sync,
        Call::Rename,
        Call::SyncFolder,
    ] {
        assert!(steps.contains(&step), "{step:?} is among {steps:?}");
    }
    for (call, left) in cuts {
        let bed = Bed::at(left.path());
        let cache = bed.open().await;
        assert!(!left.path().join("index.redb.new").exists(), "{call:?}");
        assert_eq!(cache.stats().counters.errors, 0, "{call:?}");
        all_seen(&cache, &stay);
    }
}

#[tokio::test]
async fn an_index_that_is_written_to_all_the_time_is_left_as_it_is() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let held = bed.faulty.hold(Call::Create, "index.redb.new");
    let compacting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.compact_index(CompactWhen::Idle).await }
    });
    let held = held.reached().await;
    let name = repository("a");
    let busy: Vec<_> = (0..50).map(|seed| content(5000 + seed, 100_000)).collect();
    for bytes in &busy {
        cache.put_small(&name, small(bytes)).await.expect("stored");
    }
    let error = compacting.await.expect("run").expect_err("given up");
    assert_eq!(error.kind(), Kind::Busy);
    let again = cache
        .compact_index(CompactWhen::Idle)
        .await
        .expect_err("the first has not ended");
    assert_eq!(again.kind(), Kind::Busy);
    drop(held);
    until("its file is gone", || !bed.dir.join("index.redb.new").exists()).await;
    all_seen(&cache, &stay);
    all_seen(&cache, &busy);
}

#[tokio::test]
async fn an_index_that_fails_meanwhile_is_not_replaced_by_its_copy() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let held = bed.faulty.hold(Call::Create, "index.redb.new");
    let compacting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.compact_index(CompactWhen::Idle).await }
    });
    let held = held.reached().await;
    let mut left = 1;
    bed.faulty.fail(move |call, path| {
        let is_met = call == Call::Write && path.ends_with("index.redb") && left > 0;
        left -= u64::from(is_met);
        is_met.then_some(Errno::IO)
    });
    let late = content(9001, 500);
    cache
        .put_small(&repository("a"), small(&late))
        .await
        .expect("stored");
    assert_eq!(cache.stats().counters.reopens, 1);
    compacting.await.expect("run").expect_err("given up");
    drop(held);
    all_seen(&cache, &stay);
    all_seen(&cache, &[late]);
}

#[tokio::test]
async fn closing_does_not_wait_for_a_copy() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let stay = thinned(&cache).await;
    let held = bed.faulty.hold(Call::Sync, "index.redb.new");
    let compacting = tokio::spawn({
        let cache = cache.clone();
        async move { cache.compact_index(CompactWhen::Idle).await }
    });
    let held = held.reached().await;
    let closing = tokio::spawn({
        let cache = cache.clone();
        async move { cache.close().await }
    });
    compacting.await.expect("run").expect_err("given up");
    drop(held);
    closing.await.expect("closed");
    assert!(!bed.dir.join("index.redb.new").exists());
    let cache = bed.open().await;
    all_seen(&cache, &stay);
}

#[tokio::test]
async fn without_room_for_a_second_file_it_is_not_begun() {
    let bed = Bed::new();
    let cache = bed.open().await;
    thinned(&cache).await;
    bed.faulty.space_is(Space {
        free_bytes: 12 << 20,
        ..SMALL
    });
    let error = cache.compact_index(CompactWhen::Idle).await.expect_err("refused");
    assert_eq!(error.kind(), Kind::Full(Resource::Bytes));
    assert_eq!(
        bed.faulty.calls.lock().get(&Call::Rename),
        None,
        "nothing was tried"
    );
}
