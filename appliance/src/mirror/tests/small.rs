//! What is held whole is under the budget for as long as anybody holds it, however its way ends.

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use tokio::sync::Semaphore;

use super::{
    Bed,
    aborts::{ABORTS, Abort},
    content, repository,
    source::{Scripted, Trouble},
};
use crate::{
    cache::Options,
    mirror::{Outcome, Reason},
    oci::Reference,
    source::Fault,
};

/// Below `inline_below`: such a blob is fetched whole and lives in the index.
const LENGTH: usize = 9_000;
const IN_PAGES: u64 = 12 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_abort_of_a_small_blob_the_budget_is_whole() {
    for abort in ABORTS {
        for place in [0, LENGTH / 2, LENGTH - 1] {
            play(abort, place).await;
        }
    }
}

async fn play(abort: Abort, place: usize) {
    let bytes = content(LENGTH, place as u64);
    let patience = match abort {
        Abort::UpstreamCut | Abort::TimeOut => Duration::from_millis(500),
        _ => Duration::from_secs(5),
    };
    let bed = Bed::waiting(patience, vec![Scripted::new("one")], |options: &mut Options| {
        if matches!(abort, Abort::DiskFull) {
            options.max_bytes = Some(place as u64 + 1);
        }
    })
    .await;
    let digest = bed.source.hold(bytes.clone());
    let pull = bed.pull(&digest);
    match abort {
        Abort::ClientGone => {
            let closed = bed.source.gate.forget_permits(Semaphore::MAX_PERMITS);
            let mut pull = Box::pin(pull);
            assert!(futures_util::poll!(pull.as_mut()).is_pending(), "it is asked for");
            while bed.source.blob_gets.load(SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            drop(pull);
            bed.source.gate.add_permits(closed);
        }
        Abort::UpstreamCut => {
            bed.source.make(Trouble::CutAt(place));
            let _ = pull.await;
            bed.source.make(Trouble::None);
        }
        Abort::TimeOut => {
            bed.source.make(Trouble::SilentAt(place));
            assert!(pull.await.is_err(), "nobody completes it");
            bed.source.make(Trouble::Refuse(Fault::NotFound));
        }
        Abort::Mismatch => {
            bed.source.make(Trouble::WrongAt(place));
            assert!(pull.await.is_err(), "nobody is given a wrong blob");
        }
        Abort::DiskFull => assert_eq!(pull.await.as_deref(), Ok(&bytes[..])),
        Abort::Shutdown => {
            let (pulled, ()) = tokio::join!(pull, bed.mirror.cache().close());
            assert_eq!(pulled.as_deref(), Ok(&bytes[..]), "it was asked for in time");
        }
    }
    assert_eq!(
        bed.settled().await,
        0,
        "{abort:?} at {place}: {:?}",
        bed.mirror.budget()
    );
    assert!(bed.source.blob_gets.load(SeqCst) > 0, "the fault was played");
}

#[tokio::test]
async fn manifests_and_small_blobs_hold_room_while_they_are_held() {
    let bed = Bed::new().await;
    let in_use = || bed.mirror.budget().usage().in_use;
    let digest = bed.source.hold(content(LENGTH, 1));
    let missed = bed.mirror.blob(&repository("a"), &digest).await.expect("served");
    assert!(in_use() >= IN_PAGES, "{}", in_use());
    drop(missed);
    assert_eq!(bed.settled().await, 0);
    let hit = bed.mirror.blob(&repository("a"), &digest).await.expect("served");
    assert_eq!((hit.outcome, in_use()), (Outcome::Hit, IN_PAGES));
    let part = match &hit.content {
        crate::mirror::BlobContent::Inline(bytes) => bytes.slice(..10),
        other => panic!("{other:?} is not inline"),
    };
    drop(hit);
    assert_eq!(in_use(), IN_PAGES, "a part keeps the whole");
    drop(part);
    assert_eq!(in_use(), 0);

    let manifest = bed
        .source
        .tag("latest", &format!("{{\"pad\":\"{}\"}}", "x".repeat(LENGTH)));
    bed.mirror
        .cache()
        .put_manifest(&repository("a"), &manifest)
        .await
        .expect("stored");
    let reference = Reference::Digest(manifest.digest);
    let hit = bed
        .mirror
        .manifest(&repository("a"), &reference, bed.mirror.patience())
        .await
        .expect("served");
    assert_eq!((hit.outcome, in_use()), (Outcome::Hit, IN_PAGES));
    drop(hit);
    assert_eq!(in_use(), 0);
}

#[tokio::test]
async fn who_finds_no_room_waits_with_empty_hands_and_is_told_in_the_end() {
    let bed = Bed::new().await;
    let digest = bed.source.hold(content(LENGTH, 1));
    bed.pull(&digest).await.expect("pulled");
    assert_eq!(bed.settled().await, 0);
    let small = bed.mirror.budget().small().clone();
    let taken = || small.try_acquire(usize::MAX).expect("nobody else holds any");

    let held = taken();
    let name = repository("a");
    let mut asked = Box::pin(bed.mirror.blob(&name, &digest));
    assert!(futures_util::poll!(asked.as_mut()).is_pending());
    assert_eq!(bed.mirror.budget().usage().waiting, 1);
    drop(held);
    assert_eq!(asked.await.expect("served").outcome, Outcome::Hit);
    assert_eq!(small.usage().in_use, 0);

    let held = taken();
    let mut asked = Box::pin(bed.mirror.blob(&name, &digest));
    assert!(futures_util::poll!(asked.as_mut()).is_pending());
    drop(asked);
    assert_eq!(bed.mirror.budget().usage().waiting, 0, "who leaves does not wait");

    tokio::time::pause();
    let refused = bed.mirror.blob(&name, &digest).await.expect_err("no room");
    assert!(matches!(refused.reason, Reason::Busy { .. }), "{refused}");
    assert!(refused.to_string().contains("fetch.buffer_bytes"), "{refused}");
    assert!(
        bed.mirror.cover(content(10, 1)).is_err(),
        "nor for what is made here"
    );
    drop(held);
    assert!(bed.mirror.blob(&name, &digest).await.is_ok());
}
