//! System calls that fail, one at a time or for good.

use super::*;
use crate::clock::Timestamp;

/// Fails a call on files whose path contains a text, so many times.
fn times(
    count: u64,
    call: Call,
    part: &'static str,
    errno: Errno,
) -> impl FnMut(Call, &Path) -> Option<Errno> {
    let mut left = count;
    move |this, path| {
        if this == call && left > 0 && path.to_string_lossy().contains(part) {
            left -= 1;
            return Some(errno);
        }
        None
    }
}

#[tokio::test]
async fn one_failed_write_or_sync_of_the_index_is_not_noticed() {
    for call in [Call::Write, Call::Sync] {
        let bed = Bed::new();
        let cache = bed.open().await;
        let name = repository("a");
        cache
            .put_small(&name, small(&content(1, 100)))
            .await
            .expect("stored");
        bed.faulty.fail(times(1, call, "index.redb", Errno::IO));
        cache
            .put_small(&name, small(&content(2, 100)))
            .await
            .expect("stored all the same");
        assert_eq!(bed.faulty.failed.load(Relaxed), 1);
        let stats = cache.stats();
        assert_eq!((stats.counters.reopens, stats.counters.errors), (1, 1));
        assert!(matches!(stats.state, State::Healthy));
        for seed in [1, 2] {
            assert!(seen(&cache, &name, &digest(&content(seed, 100))).is_some());
        }
        cache
            .put_small(&name, small(&content(3, 100)))
            .await
            .expect("stored");
    }
}

#[tokio::test]
async fn a_page_that_finds_no_room_gets_the_ballast() {
    // As on a filesystem that copies on write, where allocated blocks do not help.
    let bed = Bed::new();
    let cache = bed.open().await;
    bed.faulty.fail(times(1, Call::Write, "index.redb", Errno::NOSPC));
    let name = repository("a");
    cache
        .put_small(&name, small(&content(2, 100)))
        .await
        .expect("stored");
    let stats = cache.stats();
    assert_eq!(bed.faulty.failed.load(Relaxed), 1);
    assert_eq!((stats.counters.reopens, stats.counters.errors), (0, 0));
}

#[tokio::test]
async fn a_failed_read_of_the_index_is_tried_again_on_a_new_handle() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let name = repository("a");
    // More than redb keeps in memory.
    let contents: Vec<_> = (0..300).map(|seed| content(seed, 30_000)).collect();
    let puts = contents.iter().map(|bytes| cache.put_small(&name, small(bytes)));
    for put in futures_util::future::join_all(puts).await {
        put.expect("stored");
    }
    bed.faulty.fail(times(1, Call::Read, "index.redb", Errno::IO));
    for bytes in &contents {
        assert!(seen(&cache, &name, &digest(bytes)).is_some());
    }
    assert_eq!(bed.faulty.failed.load(Relaxed), 1, "the fault was met");
    assert_eq!(cache.stats().counters.reopens, 1);
}

#[tokio::test]
async fn a_disk_that_turns_read_only_is_read_and_storing_begins_again_by_itself() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, layer) = (repository("a"), content(1, 100_000));
    fill(&cache, &name, &layer).await.expect("published");
    cache
        .put_small(&name, small(&content(2, 100)))
        .await
        .expect("stored");
    cache
        .put_tag(&name, &tag("1"), digest(&layer), Timestamp(1))
        .await
        .expect("stored");

    bed.faulty.fail(|call, _| {
        let writes = [
            Call::Create,
            Call::Write,
            Call::Truncate,
            Call::Rename,
            Call::Unlink,
            Call::Allocate,
        ];
        writes.contains(&call).then_some(Errno::ROFS)
    });
    let refused = cache
        .put_small(&name, small(&content(3, 100)))
        .await
        .expect_err("read-only");
    assert!(refused.is_pass_through(), "{refused:?}");
    assert!(matches!(cache.state(), State::PassThrough { .. }));
    assert_eq!(seen(&cache, &name, &digest(&layer)), Some(layer.to_vec()));
    assert!(seen(&cache, &name, &digest(&content(2, 100))).is_some());
    let refused = cache
        .begin_fill(&name, &digest(b"x"), None)
        .await
        .expect_err("read-only");
    assert_eq!(refused.kind(), Kind::Unwritable);
    cache
        .put_tag(&name, &tag("1"), digest(&layer), Timestamp(9))
        .await
        .expect("kept in memory");
    assert_eq!(
        cache.recover().await,
        Recovery::default(),
        "nothing is cleaned up on such a disk"
    );

    bed.faulty.heal();
    until("the cache stores again", || {
        matches!(cache.state(), State::Healthy)
    })
    .await;
    cache
        .put_small(&name, small(&content(3, 100)))
        .await
        .expect("stored");
    fill(&cache, &name, &content(4, 50_000)).await.expect("published");
    let record = cache.tag(&name, &tag("1")).expect("read").expect("there");
    assert_eq!(record.checked, Timestamp(9));
}

#[tokio::test]
async fn a_crashed_cache_on_a_read_only_disk_is_served_from() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, layer) = (repository("a"), content(1, 100_000));
    fill(&cache, &name, &layer).await.expect("published");
    let left = crashed(&bed.dir);
    let bed = Bed::at(left.path());
    bed.faulty
        .fail(|call, _| (![Call::Open, Call::Read, Call::List].contains(&call)).then_some(Errno::ROFS));
    let cache = bed.open().await;
    assert_eq!(seen(&cache, &name, &digest(&layer)), Some(layer.to_vec()));
    assert!(matches!(cache.state(), State::PassThrough { .. }));
    let again = try_locked(&bed).await;
    assert_eq!(again.kind(), Kind::Busy, "locked though nothing can be written");
}

async fn try_locked(bed: &Bed) -> CacheError {
    Cache::open(bed.options(), clock()).await.expect_err("locked")
}

#[tokio::test]
async fn without_any_index_content_passes_through_until_there_is_one() {
    let bed = Bed::new();
    bed.faulty.fail(|call, _| {
        [Call::Create, Call::CreateFolder]
            .contains(&call)
            .then_some(Errno::NOSPC)
    });
    let cache = bed.open().await;
    let name = repository("a");
    assert!(matches!(cache.blob(&name, &digest(b"x")), Ok(Presence::Absent)));
    assert!(cache.tag(&name, &tag("1")).expect("read").is_none());
    let refused = cache
        .begin_fill(&name, &digest(b"x"), None)
        .await
        .expect_err("nowhere");
    assert!(refused.is_pass_through(), "{refused:?}");
    bed.faulty.heal();
    until("the cache stores", || matches!(cache.state(), State::Healthy)).await;
    fill(&cache, &name, &content(1, 50_000)).await.expect("published");
    assert_eq!(try_locked(&bed).await.kind(), Kind::Busy, "locked since");
}

#[tokio::test]
async fn whatever_step_of_publishing_fails_nothing_unlisted_stays() {
    type Step = (Call, &'static str);
    let steps: [Step; 6] = [
        (Call::Sync, "/fill/"),
        (Call::Rename, "/fill/"),
        (Call::SyncFolder, "/blobs"),
        (Call::SyncFolder, "/fill"),
        (Call::Write, "index.redb"),
        (Call::Sync, "index.redb"),
    ];
    for (call, part) in steps {
        let bed = Bed::new();
        let cache = bed.open().await;
        let (name, bytes) = (repository("a"), content(1, 200_000));
        let mut arriving = cache
            .begin_fill(&name, &digest(&bytes), None)
            .await
            .expect("begun");
        arriving.append(batch(&bytes)).await.expect("written");
        until("its row is there", || cache.stats().partials == 1).await;
        let reader = BlobFile {
            file: arriving.file(),
            size: bytes.len() as u64,
        };
        bed.faulty.fail(times(u64::MAX, call, part, Errno::IO));
        let error = arriving.verify().expect("matches").publish().await;
        let error = error.expect_err("it failed");
        assert!(
            error.to_string().starts_with("publish the blob sha256:"),
            "{error}"
        );
        assert_eq!(read(&reader), bytes, "readers go on");
        bed.faulty.heal();
        let folders = [bed.dir.join("fill"), bed.dir.join("blobs")];
        for folder in &folders {
            assert_eq!(names(folder), [""; 0], "{call:?} {part}");
        }
        until("it stores again", || matches!(cache.state(), State::Healthy)).await;
        assert!(
            matches!(cache.blob(&name, &digest(&bytes)), Ok(Presence::Absent)),
            "{call:?} {part}"
        );
        fill(&cache, &name, &bytes).await.expect("published");
        assert_eq!(seen(&cache, &name, &digest(&bytes)), Some(bytes.to_vec()));
        assert_eq!(cache.stats().files, 1);
        assert_eq!(cache.recover().await, Recovery::default(), "{call:?} {part}");
    }
}

#[tokio::test]
async fn a_crash_at_any_step_of_publishing_loses_nothing_that_was_listed() {
    // The folder is copied just before each step, as a kill would leave it.
    let steps = [
        (Call::Sync, "/fill/"),
        (Call::Rename, "/fill/"),
        (Call::SyncFolder, "/blobs"),
        (Call::SyncFolder, "/fill"),
        (Call::Write, "index.redb"),
        (Call::Sync, "index.redb"),
    ];
    for (call, part) in steps {
        let bed = Bed::new();
        let cache = bed.open().await;
        let (name, bytes) = (repository("a"), content(1, 200_000));
        let digest = digest(&bytes);
        let mut arriving = cache.begin_fill(&name, &digest, None).await.expect("begun");
        arriving.append(batch(&bytes)).await.expect("written");
        until("its row is there", || cache.stats().partials == 1).await;
        let left: Arc<Mutex<Option<TempDir>>> = Arc::default();
        let (copy, dir) = (left.clone(), bed.dir.clone());
        bed.faulty.fail(move |this, path| {
            if this == call && path.to_string_lossy().contains(part) && copy.lock().is_none() {
                *copy.lock() = Some(crashed(&dir));
            }
            None
        });
        arriving
            .verify()
            .expect("matches")
            .publish()
            .await
            .expect("published");
        let left = left.lock().take().expect("the step was met");
        let cache = Bed::at(left.path()).open().await;
        let recovery = cache.recover().await;
        assert_eq!(recovery.errors, 0);
        let here = seen(&cache, &name, &digest);
        let have = cache
            .unfinished()
            .expect("read")
            .first()
            .map(|partial| partial.have);
        match here {
            Some(content) => assert_eq!((content, have), (bytes.to_vec(), None)),
            None => assert_eq!(have, Some(bytes.len() as u64), "{call:?} {part}"),
        }
        assert_eq!(cache.recover().await, Recovery::default());
    }
}

#[tokio::test]
async fn a_partial_that_could_not_be_synced_is_not_trusted() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 17 << 20));
    let mut arriving = cache
        .begin_fill(&name, &digest(&bytes), None)
        .await
        .expect("begun");
    bed.faulty.fail(times(1, Call::Sync, "/fill/", Errno::IO));
    arriving.append(batch(&bytes)).await.expect("written");
    let faulty = bed.faulty.clone();
    until("the sync failed", || faulty.failed.load(Relaxed) == 1).await;
    // The kernel reports a lost write once: the next sync would succeed.
    let error = arriving
        .verify()
        .expect("matches")
        .publish()
        .await
        .expect_err("lost");
    assert_eq!(error.kind(), Kind::Io);
    assert_eq!(names(&bed.dir.join("fill")), [""; 0]);
    assert_eq!(names(&bed.dir.join("blobs")), [""; 0]);
}

#[tokio::test]
async fn a_limit_refuses_before_anything_is_written() {
    let bed = Bed::new();
    let cache = open(Options {
        max_bytes: Some(1_000_000),
        ..bed.options()
    })
    .await;
    let name = repository("a");
    fill(&cache, &name, &content(1, 600_000))
        .await
        .expect("published");
    let refused = cache
        .begin_fill(&name, &digest(b"x"), Some(400_000))
        .await
        .expect_err("no room");
    assert_eq!(refused.kind(), Kind::Full(Resource::Bytes));
    assert_eq!(names(&bed.dir.join("fill")), [""; 0]);
    let held = cache
        .begin_fill(&name, &digest(b"x"), Some(300_000))
        .await
        .expect("room");
    let refused = cache
        .begin_fill(&name, &digest(b"y"), Some(300_000))
        .await
        .expect_err("promised");
    assert_eq!(refused.kind(), Kind::Full(Resource::Bytes));
    drop(held);
    cache
        .begin_fill(&name, &digest(b"y"), Some(300_000))
        .await
        .expect("room again");
}

#[tokio::test]
async fn no_inode_limit_is_not_no_inode_left() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let space = Space {
        bytes: 1 << 30,
        free_bytes: 1 << 29,
        inodes: 0,
        free_inodes: 0,
    };
    bed.faulty.space_is(space);
    fill(&cache, &repository("a"), &content(1, 50_000))
        .await
        .expect("published");
    bed.faulty.space_is(Space {
        inodes: 1000,
        ..space
    });
    let refused = fill(&cache, &repository("a"), &content(2, 50_000))
        .await
        .expect_err("none left");
    assert_eq!(refused.kind(), Kind::Full(Resource::Inodes));
}
