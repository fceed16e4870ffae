//! A disk that refuses, by every call and for every reason: no pull fails of it, and no wrong byte comes.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use rustix::io::Errno;

use super::{
    Bed, content, digest, repository,
    source::{CHUNK, Scripted},
};
use crate::{
    cache::{Call, Disk, Faults, Presence},
    memory::Buffer,
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

/// All that storing content and serving it can do.
const CALLS: [Call; 14] = [
    Call::CreateFolder,
    Call::Open,
    Call::Create,
    Call::Read,
    Call::Stat,
    Call::Write,
    Call::Truncate,
    Call::Allocate,
    Call::Sync,
    Call::SyncFolder,
    Call::Rename,
    Call::Unlink,
    Call::List,
    Call::Space,
];

/// Those that are for a start, or not made every time.
const SOMETIMES: [Call; 7] = [
    Call::CreateFolder,
    Call::Stat,
    Call::Truncate,
    Call::Allocate,
    Call::SyncFolder,
    Call::Unlink,
    Call::List,
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

/// Does not come back from making a file while it is held.
#[derive(Default)]
struct Hanging {
    held: Mutex<bool>,
    freed: Condvar,
}

/// While it is there, the disk hangs.
struct Held(Arc<Hanging>);

impl Held {
    fn begin(hanging: &Arc<Hanging>) -> Self {
        *hanging.held.lock() = true;
        Self(hanging.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        *self.0.held.lock() = false;
        self.0.freed.notify_all();
    }
}

impl Faults for Hanging {
    fn before(&self, call: Call, _: &Path) -> io::Result<()> {
        let mut held = self.held.lock();
        while *held && call == Call::Create {
            self.freed.wait(&mut held);
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_pull_waits_for_a_disk_that_hangs_at_making_a_file() {
    let hanging = Arc::<Hanging>::default();
    let disk = hanging.clone();
    let bed = Bed::waiting(Duration::from_secs(2), vec![Scripted::new("one")], |options| {
        options.disk = Disk::with_faults(disk);
    })
    .await;
    let blobs = [content(20 * CHUNK, 31), content(20 * CHUNK, 32)];
    let held = Held::begin(&hanging);
    for bytes in &blobs {
        let wanted = bed.source.hold(bytes.clone());
        // Twice: the second finds that the first still has the digest.
        for _ in 0..2 {
            assert!(bed.pull(&wanted).await.as_deref() == Ok(&bytes[..]));
        }
    }
    drop(held);
    assert_eq!(bed.settled().await, 0, "the budget is whole");
    for bytes in &blobs {
        let stored = async {
            while !matches!(
                bed.mirror.cache().blob(&repository("a"), &digest(bytes)),
                Ok(Presence::Here(_))
            ) {
                assert!(bed.pull(&digest(bytes)).await.as_deref() == Ok(&bytes[..]));
                tokio::task::yield_now().await;
            }
        };
        let stored = tokio::time::timeout(Duration::from_secs(20), stored).await;
        assert!(stored.is_ok(), "it is stored when the disk comes back");
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
    let held = [content(5 * CHUNK, 23), content(1000, 24)];
    for bytes in &held {
        let digest = bed.source.hold(bytes.clone());
        assert_eq!(
            bed.pull(&digest).await.as_deref(),
            Ok(&bytes[..]),
            "on a sound disk"
        );
    }
    // One that was cut, so that what is here of it is read again.
    let cut = content(20 * CHUNK, 25);
    let cut_digest = bed.source.hold(cut.clone());
    let (name, size) = (repository("a"), Some(cut.len() as u64));
    let begun = bed.mirror.cache().begin_fill(&name, &cut_digest, size);
    let mut fill = begun.await.expect("begun");
    let part = Buffer::borrowed(cut.slice(..10 * CHUNK));
    fill.append(vec![part]).await.expect("written");
    drop(fill);
    assert_eq!(bed.settled().await, 0);
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
        for bytes in held.iter().chain([&cut]) {
            assert_eq!(
                bed.pull(&digest(bytes)).await.as_deref(),
                Ok(&bytes[..]),
                "{what}: what was here"
            );
        }
        assert_eq!(bed.pull(&large_digest).await.as_deref(), Ok(&large[..]), "{what}");
        assert_eq!(bed.pull(&small_digest).await.as_deref(), Ok(&small[..]), "{what}");
    }
    assert_eq!(bed.settled().await, 0, "{what}: the budget is whole");
    println!("{what}: {} times", faults.played.load(SeqCst));
    if !SOMETIMES.contains(&call) {
        assert!(faults.played.load(SeqCst) > 0, "{what}: it was played");
    }
}
