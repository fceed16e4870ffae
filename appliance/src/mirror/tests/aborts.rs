//! The abort matrix: however a transfer ends, and wherever, the memory budget is whole again afterwards.
//!
//! This is the test that was missing when a pool's `close` was dropped on one path and `usedTotal` grew
//! until every query failed: it walks the error paths, each at the first, a middle and the last chunk.

use std::sync::atomic::Ordering::SeqCst;

use super::{
    Bed, content, next, repository,
    source::{CHUNK, Scripted, Trouble},
};
use crate::{cache::Options, source::Fault};

const CHUNKS: usize = 24;
const LENGTH: usize = CHUNKS * CHUNK;

/// The first, a middle and the last chunk, as offsets.
const PLACES: [usize; 3] = [0, LENGTH / 2, LENGTH - 1];

/// How a transfer can end before its time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Abort {
    ClientGone,
    UpstreamCut,
    TimeOut,
    Mismatch,
    DiskFull,
    Shutdown,
}

pub(super) const ABORTS: [Abort; 6] = [
    Abort::ClientGone,
    Abort::UpstreamCut,
    Abort::TimeOut,
    Abort::Mismatch,
    Abort::DiskFull,
    Abort::Shutdown,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_abort_the_budget_is_whole() {
    for abort in ABORTS {
        for place in PLACES {
            play(abort, place).await;
        }
    }
}

async fn play(abort: Abort, place: usize) {
    let bytes = content(LENGTH, place as u64);
    let limit = match abort {
        // So that storing stops in the middle: the size is not told before.
        Abort::DiskFull => Some(place as u64 + 1),
        _ => None,
    };
    let bed = Bed::with(vec![Scripted::new("one")], |options: &mut Options| {
        options.max_bytes = limit;
    })
    .await;
    let digest = bed.source.hold(bytes.clone());
    match abort {
        Abort::ClientGone | Abort::Shutdown => {
            let answer = bed.mirror.blob(&repository("a"), &digest).await.expect("served");
            let mut body = bed.body(answer);
            let mut read = 0;
            while read <= place.min(LENGTH - CHUNK) {
                read += next(&mut body)
                    .await
                    .expect("more")
                    .expect("fine")
                    .as_slice()
                    .len();
            }
            drop(body);
            if matches!(abort, Abort::Shutdown) {
                bed.mirror.cache().close().await;
            }
        }
        Abort::UpstreamCut => {
            bed.source.make(Trouble::CutAt(place));
            // The clock of a give-up is real: what is asked is only that nothing leaks while it tries.
            let answer = bed
                .mirror
                .blob(&repository("a"), &digest)
                .await
                .expect("the head comes");
            let mut body = bed.body(answer);
            if place > CHUNK {
                next(&mut body).await.expect("something").expect("fine");
            }
            bed.source.make(Trouble::None);
            drop(body);
        }
        Abort::TimeOut => {
            bed.source.make(Trouble::SilentAt(place));
            let answer = bed
                .mirror
                .blob(&repository("a"), &digest)
                .await
                .expect("the head comes");
            bed.source.make(Trouble::Refuse(Fault::NotFound));
            assert!(drained(&bed, answer).await.is_err(), "nobody completes it");
        }
        Abort::Mismatch => {
            bed.source.make(Trouble::WrongAt(place));
            assert!(bed.pull(&digest).await.is_err(), "nobody completes a wrong blob");
        }
        Abort::DiskFull => {
            assert_eq!(
                bed.pull(&digest).await.as_deref(),
                Ok(&bytes[..]),
                "it passes through"
            );
        }
    }
    assert_eq!(
        bed.settled().await,
        0,
        "{abort:?} at {place}: {:?}",
        bed.mirror.budget().usage()
    );
    let usage = bed.mirror.budget().usage();
    assert_eq!(usage.acquired, usage.released, "{abort:?} at {place}");
    assert!(bed.source.blob_gets.load(SeqCst) > 0, "the fault was played");
    assert_eq!(bed.metrics.totals().fills_in_flight, 0);
}

async fn drained(bed: &Bed, answer: super::BlobAnswer) -> Result<(), String> {
    let mut body = bed.body(answer);
    while let Some(data) = next(&mut body).await {
        data.map_err(|e| e.to_string())?;
    }
    Ok(())
}
