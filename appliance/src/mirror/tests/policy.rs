//! What is decided: hit, miss, revalidated, stale, gated, shown.

use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use super::{
    Bed, content, next, repository,
    source::{CHUNK, Scripted, Trouble},
};
use crate::{
    mirror::{Outcome, Reason},
    oci::{Reference, Tag},
    source::{Fault, Health},
};

fn tag(text: &str) -> Reference {
    Reference::Tag(text.parse::<Tag>().expect("valid"))
}

/// An image of one layer at the source.
fn image(source: &Scripted, name: &str) -> (crate::oci::Manifest, crate::oci::Digest) {
    let layer = source.hold(content(100_000, name.len() as u64));
    let json = format!(r#"{{"schemaVersion":2,"layers":[{{"digest":"{layer}","size":100000}}]}}"#);
    (source.tag(name, &json), layer)
}

fn down(source: &Scripted) {
    source.make(Trouble::Refuse(Fault::Unavailable));
    *source.health.lock() = Health::Open {
        retry_in: Duration::from_secs(5),
    };
}

#[tokio::test]
async fn a_tag_is_asked_for_once_within_its_time_and_by_head_after_it() {
    let bed = Bed::new().await;
    image(&bed.source, "latest");
    let ask = || async {
        bed.mirror
            .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
            .await
            .expect("served")
            .outcome
    };
    assert_eq!(ask().await, Outcome::Miss);
    assert_eq!(ask().await, Outcome::Hit);
    assert_eq!(bed.source.resolves.load(SeqCst), 0);
    let later = crate::clock::Timestamp(bed.clock.now().0 + 61);
    bed.clock.not_before(later);
    assert_eq!(ask().await, Outcome::Revalidated);
    assert_eq!(
        (
            bed.source.resolves.load(SeqCst),
            bed.source.manifest_gets.load(SeqCst)
        ),
        (1, 1)
    );
    bed.clock.not_before(crate::clock::Timestamp(later.0 + 61));
    let (moved, _) = image(&bed.source, "latest-but-different");
    bed.source.tags.lock().insert("latest".into(), moved.clone());
    let answer = bed
        .mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect("served");
    assert_eq!(
        (answer.outcome, answer.manifest.digest),
        (Outcome::Miss, moved.digest)
    );
}

#[tokio::test]
async fn a_silent_upstream_costs_the_first_request_a_wait_and_the_second_none() {
    let bed = Bed::new().await;
    let (_, layer) = image(&bed.source, "latest");
    bed.mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect("served");
    bed.pull(&layer).await.expect("pulled");
    bed.settled().await;
    bed.clock
        .not_before(crate::clock::Timestamp(bed.clock.now().0 + 61));
    bed.source.make(Trouble::SilentAt(0));
    let first = Instant::now();
    let answer = bed
        .mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect("stale");
    assert_eq!(answer.outcome, Outcome::Stale);
    assert!(
        first.elapsed() >= Duration::from_millis(100),
        "it was asked first"
    );
    // The asking goes on, and nobody waits for it again.
    let answer = tokio::time::timeout(
        Duration::ZERO,
        bed.mirror
            .manifest(&repository("a"), &tag("latest"), bed.mirror.patience()),
    )
    .await;
    assert_eq!(answer.expect("at once").expect("stale").outcome, Outcome::Stale);
    assert_eq!(bed.source.resolves.load(SeqCst), 1, "one asking for both");
}

#[tokio::test]
async fn nobody_waits_for_a_probe() {
    let bed = Bed::new().await;
    let (_, layer) = image(&bed.source, "latest");
    bed.mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect("served");
    bed.pull(&layer).await.expect("pulled");
    bed.settled().await;
    bed.clock
        .not_before(crate::clock::Timestamp(bed.clock.now().0 + 61));
    bed.source.make(Trouble::SilentAt(0));
    *bed.source.health.lock() = Health::HalfOpen;
    let answer = tokio::time::timeout(
        Duration::ZERO,
        bed.mirror
            .manifest(&repository("a"), &tag("latest"), bed.mirror.patience()),
    )
    .await;
    assert_eq!(answer.expect("at once").expect("stale").outcome, Outcome::Stale);
}

#[tokio::test]
async fn offline_only_what_is_whole_is_served() {
    let bed = Bed::new().await;
    let (manifest, layer) = image(&bed.source, "latest");
    bed.mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect("served");
    down(&bed.source);
    for reference in [tag("latest"), Reference::Digest(manifest.digest)] {
        let refused = bed
            .mirror
            .manifest(&repository("a"), &reference, bed.mirror.patience())
            .await
            .expect_err("a layer is missing");
        assert_eq!(refused.reason, Reason::Incomplete, "{reference}");
    }
    bed.source.make(Trouble::None);
    bed.pull(&layer).await.expect("pulled");
    bed.settled().await;
    down(&bed.source);
    for reference in [tag("latest"), Reference::Digest(manifest.digest)] {
        bed.mirror
            .manifest(&repository("a"), &reference, bed.mirror.patience())
            .await
            .expect("whole now");
    }
}

#[tokio::test]
async fn not_found_is_remembered_and_a_deleted_tag_forgotten() {
    let bed = Bed::new().await;
    for _ in 0..3 {
        let missing = bed
            .mirror
            .manifest(&repository("a"), &tag("nope"), bed.mirror.patience())
            .await
            .expect_err("missing");
        assert_eq!(missing.reason, Reason::NotFound);
    }
    assert_eq!(bed.source.manifest_gets.load(SeqCst), 1);
    image(&bed.source, "latest");
    bed.mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect("served");
    bed.source.tags.lock().clear();
    bed.clock
        .not_before(crate::clock::Timestamp(bed.clock.now().0 + 61));
    let gone = bed
        .mirror
        .manifest(&repository("a"), &tag("latest"), bed.mirror.patience())
        .await
        .expect_err("deleted");
    assert_eq!(gone.reason, Reason::NotFound);
}

#[tokio::test]
async fn a_blob_is_not_handed_to_a_repository_that_was_not_shown_to_have_it() {
    let bed = Bed::new().await;
    let layer = bed.source.hold(content(200_000, 9));
    bed.pull(&layer).await.expect("pulled");
    bed.settled().await;
    bed.source.blobs.lock().clear();
    let refused = bed
        .mirror
        .blob(&repository("other"), &layer)
        .await
        .expect_err("not shown");
    assert_eq!(refused.reason, Reason::NotFound);
    assert!(bed.mirror.blob(&repository("a"), &layer).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_one_fetch_and_late_ones_start_at_once() {
    let bed = Bed::new().await;
    let bytes = content(32 * CHUNK, 3);
    let layer = bed.source.hold(bytes.clone());
    // Half of it may come.
    bed.source.gate.forget_permits(usize::MAX >> 4);
    bed.source.gate.add_permits(16);
    let mut early = bed.body(bed.mirror.blob(&repository("a"), &layer).await.expect("served"));
    let mut got = 0;
    while got < 15 * CHUNK {
        got += next(&mut early)
            .await
            .expect("more")
            .expect("fine")
            .as_slice()
            .len();
    }
    let mut late = bed.body(bed.mirror.blob(&repository("a"), &layer).await.expect("served"));
    let mut read = Vec::new();
    while read.len() < 15 * CHUNK {
        read.extend_from_slice(next(&mut late).await.expect("more").expect("fine").as_slice());
    }
    assert_eq!(
        read[..],
        bytes[..read.len()],
        "the first half, while the second has not left the upstream"
    );
    bed.source.gate.add_permits(64);
    while let Some(data) = next(&mut late).await {
        read.extend_from_slice(data.expect("fine").as_slice());
    }
    assert_eq!(read, bytes);
    assert_eq!(bed.source.blob_gets.load(SeqCst), 1);
    drop(early);
    assert_eq!(bed.settled().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_upstream_is_continued_where_it_was_at_another_endpoint() {
    let (one, two) = (Scripted::new("one"), Scripted::new("two"));
    let bed = Bed::with(vec![one.clone(), two.clone()], |_| {}).await;
    let bytes = content(20 * CHUNK, 4);
    let layer = one.hold(bytes.clone());
    two.hold(bytes.clone());
    one.make(Trouble::CutAt(10 * CHUNK));
    let pull = tokio::spawn({
        let bed = bed;
        async move { (bed.pull(&layer).await, bed) }
    });
    while one.blob_gets.load(SeqCst) < 2 && two.blob_gets.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    one.make(Trouble::Refuse(Fault::Unavailable));
    let (pulled, _bed) = pull.await.expect("joined");
    assert_eq!(pulled.as_deref(), Ok(&bytes[..]));
    assert_eq!(two.blob_gets.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_wrong_bytes_the_next_pull_asks_another_source_first() {
    let (one, two) = (Scripted::new("one"), Scripted::new("two"));
    let bed = Bed::with(vec![one.clone(), two.clone()], |_| {}).await;
    let bytes = content(4 * CHUNK, 5);
    let layer = one.hold(bytes.clone());
    two.hold(bytes.clone());
    one.make(Trouble::WrongAt(4 * CHUNK - 1));
    assert!(bed.pull(&layer).await.is_err(), "held back and reset");
    bed.settled().await;
    assert_eq!(bed.pull(&layer).await.as_deref(), Ok(&bytes[..]));
    assert_eq!((one.blob_gets.load(SeqCst), two.blob_gets.load(SeqCst)), (1, 1));
}

/// What one repository's fill left behind when it was cut is not handed to another that was not shown to
/// have it, not even the first byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partial_is_as_private_as_the_blob() {
    let bed = Bed::new().await;
    let layer = bed.source.hold(content(30 * CHUNK, 11));
    bed.source.make(Trouble::CutAt(20 * CHUNK));
    let mut body = bed.body(
        bed.mirror
            .blob(&repository("private"), &layer)
            .await
            .expect("served"),
    );
    next(&mut body).await.expect("more").expect("fine");
    bed.source.make(Trouble::Refuse(Fault::NotFound));
    while let Some(Ok(_)) = next(&mut body).await {}
    drop(body);
    bed.settled().await;
    assert!(
        bed.mirror
            .cache()
            .partial(&layer)
            .is_some_and(|left| left.have > 0),
        "there is something to leak"
    );
    let refused = bed
        .mirror
        .blob(&repository("other"), &layer)
        .await
        .expect_err("not shown");
    assert_eq!(refused.reason, Reason::NotFound);
}

/// A repository that has the blob is not told another's "not found" because it came while that was asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_failure_is_not_ones_own() {
    let bed = Bed::new().await;
    let bytes = content(4 * CHUNK, 12);
    let layer = crate::oci::Digest::of(crate::oci::Algorithm::Sha256, &bytes);
    bed.source.only_in("b", layer, bytes.clone());
    let (a, b) = (repository("a"), repository("b"));
    let (absent, present) = tokio::join!(bed.mirror.blob(&a, &layer), bed.mirror.blob(&b, &layer));
    assert_eq!(absent.expect_err("a does not have it").reason, Reason::NotFound);
    assert!(present.is_ok(), "b has it");
}

/// Who joined another repository's fill may see the blob afterwards, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joined_a_fill_keeps_the_right_to_it() {
    let bed = Bed::new().await;
    let layer = bed.source.hold(content(4 * CHUNK, 13));
    bed.source.gate.forget_permits(usize::MAX >> 4);
    let _one = bed.mirror.blob(&repository("a"), &layer).await.expect("served");
    let _two = bed.mirror.blob(&repository("b"), &layer).await.expect("joined");
    bed.source.gate.add_permits(64);
    bed.settled().await;
    down(&bed.source);
    let here = async {
        while bed.mirror.blob(&repository("b"), &layer).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), here)
        .await
        .expect("it is shown when it has landed");
}
