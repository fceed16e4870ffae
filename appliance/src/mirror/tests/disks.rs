//! A disk that refuses, by every call and for every reason: no pull fails of it, and no wrong byte comes.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use rustix::io::Errno;

use super::{
    Bed, content, repository,
    source::{CHUNK, Scripted},
};
use crate::{
    cache::{Call, Disk, Faults},
    oci::{Reference, Tag},
};

/// Full, over quota, read-only, out of descriptors (ours, the system's), and dying.
const REASONS: [Errno; 6] = [
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::MFILE,
    Errno::NFILE,
    Errno::IO,
];

/// What storing a blob does.
const CALLS: [Call; 6] = [
    Call::Create,
    Call::Write,
    Call::Allocate,
    Call::Sync,
    Call::Rename,
    Call::SyncFolder,
];

/// Fails one kind of call, from the first on; the index's own opening is before that.
struct Refusing {
    call: Call,
    reason: Errno,
    /// Failures played; `usize::MAX` until it is armed.
    played: AtomicUsize,
}

impl Faults for Refusing {
    fn before(&self, call: Call, _: &Path) -> io::Result<()> {
        if call == self.call && self.played.load(SeqCst) != usize::MAX {
            self.played.fetch_add(1, SeqCst);
            return Err(self.reason.into());
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pull_fails_of_a_disk_that_refuses() {
    for reason in REASONS {
        for call in CALLS {
            play(call, reason).await;
        }
    }
}

async fn play(call: Call, reason: Errno) {
    let faults = Arc::new(Refusing {
        call,
        reason,
        played: AtomicUsize::new(usize::MAX),
    });
    let disk = faults.clone();
    let bed = Bed::with(vec![Scripted::new("one")], |options| {
        options.disk = Disk::with_faults(disk);
    })
    .await;
    let (large, small) = (content(20 * CHUNK, 21), content(1000, 22));
    let (large_digest, small_digest) = (bed.source.hold(large.clone()), bed.source.hold(small.clone()));
    let manifest = bed.source.tag("latest", r#"{"schemaVersion":2,"layers":[]}"#);
    faults.played.store(0, SeqCst);

    let what = format!("{call:?} fails with {reason}");
    let tag = Reference::Tag("latest".parse::<Tag>().expect("valid"));
    let served = bed
        .mirror
        .manifest(&repository("a"), &tag, bed.mirror.patience())
        .await;
    assert_eq!(served.expect(&what).manifest.digest, manifest.digest, "{what}");
    // Twice: what could not be stored must be had again.
    for _ in 0..2 {
        assert_eq!(bed.pull(&large_digest).await.as_deref(), Ok(&large[..]), "{what}");
        assert_eq!(bed.pull(&small_digest).await.as_deref(), Ok(&small[..]), "{what}");
    }
    assert_eq!(bed.settled().await, 0, "{what}: the budget is whole");
    if matches!(call, Call::Create | Call::Write | Call::Sync | Call::Rename) {
        assert!(faults.played.load(SeqCst) > 0, "{what}: it was played");
    }
}
