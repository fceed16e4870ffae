//! Disks that are really full: small filesystems in memory. Needs the right to mount.

use std::{io::Write, process::Command};

use super::*;

/// A tmpfs of its own, unmounted in the end.
pub(in crate::cache) struct Small(TempDir);

impl Small {
    /// Mounts one. Where that is not allowed the test fails and says so, unless it was left out on purpose.
    pub(in crate::cache) fn mount(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "none"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            failed => {
                let left_out = std::env::var_os("LARDER_TESTS_WITHOUT_MOUNT").is_some();
                let text = format!("NOT TESTED: cannot mount a tmpfs ({failed:?})");
                assert!(
                    left_out,
                    "{text}: run as root, or set LARDER_TESTS_WITHOUT_MOUNT=1 to leave it out"
                );
                eprintln!("{text}");
                None
            }
        }
    }

    pub(in crate::cache) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn bed(&self) -> Bed {
        Bed::at(&self.0.path().join("cache"))
    }

    /// Takes every byte that is left.
    pub(in crate::cache) fn stuff(&self) {
        let mut file = fs::File::create(self.0.path().join("stuffing")).expect("made");
        for size in [1 << 16, 4096, 1] {
            while file.write(&vec![1; size]).is_ok_and(|written| written > 0) {}
        }
        let free = Disk::real().space(self.0.path()).expect("asked").free_bytes;
        assert_eq!(free, 0, "the disk is full");
    }

    pub(in crate::cache) fn unstuff(&self) {
        fs::remove_file(self.0.path().join("stuffing")).expect("removed");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a cache that was just dropped can hold its files for a moment longer.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn an_empty_index_is_small() {
    let Some(disk) = Small::mount("size=10m") else {
        return;
    };
    let cache = disk.bed().open().await;
    let space = cache.stats().space.expect("asked");
    let used = space.bytes - space.free_bytes;
    println!(
        "index {} bytes long, {used} bytes used on the disk",
        cache.stats().index_bytes
    );
    assert!(used < 2_500_000, "{used}");
}

#[tokio::test]
async fn a_blob_larger_than_the_disk_is_refused_at_first_or_in_the_middle() {
    let Some(disk) = Small::mount("size=10m") else {
        return;
    };
    let bed = disk.bed();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 12_000_000));
    let refused = cache
        .begin_fill(&name, &digest(&bytes), Some(12_000_000))
        .await
        .expect_err("too large");
    assert_eq!(refused.kind(), Kind::Full(Resource::Bytes));
    let mut arriving = cache
        .begin_fill(&name, &digest(&bytes), None)
        .await
        .expect("size not known");
    let mut failed = None;
    for part in bytes.chunks(300_000) {
        if let Err(error) = arriving.append(batch(&Bytes::copy_from_slice(part))).await {
            failed = Some(error);
            break;
        }
    }
    assert_eq!(failed.expect("full").kind(), Kind::Full(Resource::Bytes));
    let length = arriving.len();
    assert!(length > 6_000_000, "{length}");
    assert_eq!(arriving.file().metadata().expect("open").len(), length);
    assert_eq!(
        arriving.hasher().finish(),
        digest(&bytes[..length as usize]),
        "exactly what is there"
    );
    arriving.discard();
    // A sync in the background can hold the file for a moment longer.
    let free = || Disk::real().space(disk.path()).expect("asked").free_bytes;
    until("its bytes are free", || free() > 6_000_000).await;
    fill(&cache, &name, &content(2, 5_000_000))
        .await
        .expect("room again");
}

#[tokio::test]
async fn on_a_full_disk_deleting_works_and_reading_goes_on() {
    let Some(disk) = Small::mount("size=10m") else {
        return;
    };
    let bed = disk.bed();
    let cache = bed.open().await;
    let name = repository("a");
    let contents: Vec<_> = (0..600).map(|seed| content(seed, 2000)).collect();
    let puts = contents.iter().map(|bytes| cache.put_small(&name, small(bytes)));
    for put in futures_util::future::join_all(puts).await {
        put.expect("stored");
    }
    let layer = content(9999, 1_000_000);
    fill(&cache, &name, &layer).await.expect("published");
    disk.stuff();

    let mut refused = 0;
    for seed in 0..200 {
        match cache.put_small(&name, small(&content(5000 + seed, 20_000))).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.kind(), Kind::Full(Resource::Bytes), "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(cache.pressure().expect("asked").worst() > 0.98);
    assert!(cache.begin_fill(&name, &digest(b"x"), None).await.is_err());
    for bytes in &contents[..400] {
        cache.evict(&digest(bytes)).await.expect("evicted on a full disk");
    }
    for bytes in &contents[400..] {
        assert_eq!(seen(&cache, &name, &digest(bytes)), Some(bytes.to_vec()));
    }
    assert_eq!(seen(&cache, &name, &digest(&layer)), Some(layer.to_vec()));

    // A crash and a start on the full disk.
    cache.close().await;
    drop(cache);
    let cache = bed.open().await;
    for bytes in &contents[400..500] {
        cache
            .evict(&digest(bytes))
            .await
            .expect("evicted after a restart");
    }
    // Its file's room comes back with it, and storing begins again.
    cache.evict(&digest(&layer)).await.expect("evicted");
    disk.unstuff();
    until("it stores again", || matches!(cache.state(), State::Healthy)).await;
    fill(&cache, &name, &layer).await.expect("published");
    cache.put_small(&name, small(&contents[0])).await.expect("stored");
    let stats = cache.stats();
    println!("{stats:?}");
}

#[tokio::test]
async fn a_disk_with_twelve_inodes_works_until_they_are_used() {
    let Some(disk) = Small::mount("size=10m,nr_inodes=12") else {
        return;
    };
    let bed = disk.bed();
    let cache = bed.open().await;
    let name = repository("a");
    let mut stored = Vec::new();
    let refused = loop {
        let bytes = content(stored.len() as u64, 10_000);
        match fill(&cache, &name, &bytes).await {
            Ok(_) => stored.push(bytes),
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), Kind::Full(Resource::Inodes));
    println!("{} blobs", stored.len());
    assert!(stored.len() >= 4, "{}", stored.len());
    cache
        .put_small(&name, small(&content(100, 5000)))
        .await
        .expect("costs no inode");
    cache
        .put_manifest(&name, &manifest("{}"))
        .await
        .expect("costs no inode");
    for bytes in &stored {
        assert_eq!(seen(&cache, &name, &digest(bytes)), Some(bytes.to_vec()));
    }
    cache.evict(&digest(&stored[0])).await.expect("evicted");
    fill(&cache, &name, &content(200, 10_000))
        .await
        .expect("room again");
}

#[tokio::test]
async fn without_an_inode_for_the_index_content_passes_through() {
    let Some(disk) = Small::mount("size=10m,nr_inodes=4") else {
        return;
    };
    fs::write(disk.0.path().join("stuffing"), b"").expect("made");
    let bed = disk.bed();
    let cache = bed.open().await;
    let name = repository("a");
    assert!(matches!(cache.blob(&name, &digest(b"x")), Ok(Presence::Absent)));
    let refused = cache
        .put_small(&name, small(&content(1, 10)))
        .await
        .expect_err("nowhere");
    assert!(refused.is_pass_through(), "{refused:?}");
    let State::PassThrough { why } = cache.state() else {
        panic!("it cannot store");
    };
    println!("{why}");
}
