//! What is found after a crash, a power cut, or somebody's hands in the folder.

use redb::{Database, ReadableDatabase, TableDefinition};

use super::*;
use crate::clock::Timestamp;

const SYNCED: usize = 16 << 20;

#[tokio::test]
async fn a_killed_fill_keeps_every_byte_and_a_power_cut_those_that_were_synced() {
    let bed = Bed::new();
    bed.faulty.boot_as(1);
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, SYNCED + 3_000_000));
    let digest = digest(&bytes);
    let size = Some(bytes.len() as u64);
    let mut arriving = cache.begin_fill(&name, &digest, size).await.expect("begun");
    for part in bytes[..SYNCED + 1_000_000].chunks(1 << 20) {
        let part = Bytes::copy_from_slice(part);
        arriving.append(batch(&part)).await.expect("written");
    }
    let row = |cache: &Cache| cache.inner_fill(&digest).map_or(0, |row| row.0);
    until("the sync is recorded", || row(&cache) >= SYNCED as u64).await;
    let synced = row(&cache);
    assert_eq!(synced, SYNCED as u64);
    assert_eq!(cache.unfinished().expect("read"), [], "it is running");

    for (boot, kept) in [(1, arriving.len()), (2, synced)] {
        let left = crashed(&bed.dir);
        let bed = Bed::at(left.path());
        bed.faulty.boot_as(boot);
        let cache = bed.open().await;
        cache.recover().await;
        let unfinished = cache.unfinished().expect("read");
        assert_eq!(
            unfinished,
            [Unfinished {
                repository: name.clone(),
                digest,
                size,
                have: kept
            }]
        );
        let mut again = cache.begin_fill(&name, &digest, size).await.expect("begun");
        assert_eq!(again.len(), kept);
        let rest = bytes.slice(kept as usize..);
        again.append(batch(&rest)).await.expect("written");
        again
            .verify()
            .expect("matches")
            .publish()
            .await
            .expect("published");
        assert_eq!(seen(&cache, &name, &digest), Some(bytes.to_vec()));
    }
}

#[tokio::test]
async fn a_wrong_prefix_is_started_anew() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 500_000));
    let digest = digest(&bytes);
    let mut wrong = cache.begin_fill(&name, &digest, None).await.expect("begun");
    wrong.append(batch(&content(2, 1000))).await.expect("written");
    drop(wrong);
    until("its row is there", || cache.inner_fill(&digest).is_some()).await;
    let mut again = cache.begin_fill(&name, &digest, None).await.expect("begun");
    assert_eq!(again.len(), 1000);
    again.rehash().await.expect("read");
    assert_eq!(again.hasher().finish(), super::digest(&content(2, 1000)));
    again.restart().await.expect("emptied");
    assert_eq!(again.len(), 0);
    again.append(batch(&bytes)).await.expect("written");
    again
        .verify()
        .expect("matches")
        .publish()
        .await
        .expect("published");
    assert_eq!(seen(&cache, &name, &digest), Some(bytes.to_vec()));
}

#[tokio::test]
async fn a_partial_that_nobody_rehashed_is_not_believed() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 5000));
    let digest = digest(&bytes);
    for part in [&bytes[..3000], &bytes[3000..]] {
        let mut fill = cache.begin_fill(&name, &digest, None).await.expect("begun");
        fill.append(batch(&Bytes::copy_from_slice(part)))
            .await
            .expect("written");
        drop(fill);
        until("its row is there", || cache.inner_fill(&digest).is_some()).await;
    }
    // Whole on the disk, never hashed by this one: verifying does it.
    let fill = cache.begin_fill(&name, &digest, None).await.expect("begun");
    fill.verify()
        .expect("matches")
        .publish()
        .await
        .expect("published");
    assert_eq!(seen(&cache, &name, &digest), Some(bytes.to_vec()));
}

#[tokio::test]
async fn a_crash_between_the_name_and_the_row_loses_nothing() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 300_000));
    let digest = digest(&bytes);
    let mut fill = cache.begin_fill(&name, &digest, None).await.expect("begun");
    fill.append(batch(&bytes)).await.expect("written");
    until("its row is there", || cache.inner_fill(&digest).is_some()).await;
    for (known, found) in [(true, (1, 0)), (false, (0, 1))] {
        let left = crashed(&bed.dir);
        let file = digest.file_name();
        fs::rename(
            left.path().join("fill").join(&file),
            left.path().join("blobs").join(&file),
        )
        .expect("renamed");
        if !known {
            fs::remove_file(left.path().join("index.redb")).expect("removed");
        }
        let cache = Bed::at(left.path()).open().await;
        let recovery = cache.recover().await;
        assert_eq!((recovery.listed, recovery.hidden), found, "{recovery:?}");
        assert_eq!(recovery.errors, 0);
        if known {
            assert_eq!(seen(&cache, &name, &digest), Some(bytes.to_vec()));
        } else {
            assert!(matches!(cache.blob(&name, &digest), Ok(Presence::Hidden)));
            cache.show(&name, &digest).await.expect("shown");
            assert_eq!(seen(&cache, &name, &digest), Some(bytes.to_vec()));
        }
        assert_eq!(cache.stats().partials, 0);
        assert_eq!(cache.recover().await, Recovery::default());
    }
}

#[tokio::test]
async fn what_is_not_what_its_name_says_is_removed() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 100_000));
    let blobs = bed.dir.join("blobs");
    fs::write(blobs.join(digest(b"one").file_name()), b"other").expect("written");
    fs::write(blobs.join("notes.txt"), b"mine").expect("written");
    fs::write(bed.dir.join("stray"), b"mine").expect("written");
    fill(&cache, &name, &bytes).await.expect("published");
    let gone = content(2, 50_000);
    fill(&cache, &name, &gone).await.expect("published");
    fs::write(blobs.join(digest(&bytes).file_name()), b"short").expect("written");
    fs::remove_file(blobs.join(digest(&gone).file_name())).expect("removed");
    let recovery = cache.recover().await;
    assert_eq!((recovery.damaged, recovery.lost, recovery.errors), (1, 2, 0));
    assert_eq!(recovery.unknown.len(), 2, "{recovery:?}");
    assert_eq!(names(&blobs), ["notes.txt"]);
    assert_eq!(cache.stats().files, 0);
}

#[tokio::test]
async fn a_listed_blob_whose_file_is_gone_is_absent_and_heals() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 100_000));
    let file = bed.dir.join("blobs").join(digest(&bytes).file_name());
    for harm in [0, 1] {
        fill(&cache, &name, &bytes).await.expect("published");
        match harm {
            0 => fs::remove_file(&file).expect("removed"),
            _ => fs::write(&file, b"short").expect("written"),
        }
        assert!(matches!(cache.blob(&name, &digest(&bytes)), Ok(Presence::Absent)));
        until("the row is gone", || cache.stats().blobs == 0).await;
        until("the file is gone", || !file.exists()).await;
    }
    fill(&cache, &name, &bytes).await.expect("published");
    assert_eq!(seen(&cache, &name, &digest(&bytes)), Some(bytes.to_vec()));
}

#[tokio::test]
async fn partials_that_no_row_knows_go() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let fills = bed.dir.join("fill");
    fs::write(fills.join(digest(b"left").file_name()), b"le").expect("written");
    let recovery = cache.recover().await;
    assert_eq!((recovery.partials, recovery.errors), (1, 0));
    assert_eq!(names(&fills), [""; 0]);
}

/// A client was faster than the recovery: its fill takes over the file that a crash left unlisted, instead
/// of asking the upstream for it again, and neither loses it.
#[tokio::test]
async fn a_fill_takes_an_unlisted_file_back() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 100_000));
    let digest = digest(&bytes);
    fs::write(bed.dir.join("blobs").join(digest.file_name()), &bytes).expect("written");
    let mut fill = cache
        .begin_fill(&name, &digest, Some(100_000))
        .await
        .expect("begun");
    assert_eq!(fill.len(), 100_000);
    cache.recover().await;
    fill.rehash().await.expect("hashed");
    fill.verify().expect("right").publish().await.expect("published");
    cache.recover().await;
    assert_eq!(seen(&cache, &name, &digest), Some(bytes.to_vec()));
}

#[tokio::test]
async fn fill_rows_without_a_partial_go() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 1000));
    let mut fill = cache
        .begin_fill(&name, &digest(&bytes), None)
        .await
        .expect("begun");
    fill.append(batch(&bytes)).await.expect("written");
    until("its row is there", || cache.stats().partials == 1).await;
    let left = crashed(&bed.dir);
    fs::remove_file(left.path().join("fill").join(digest(&bytes).file_name())).expect("removed");
    let cache = Bed::at(left.path()).open().await;
    assert_eq!(cache.recover().await.fills, 1);
    assert_eq!(cache.stats().partials, 0);
}

/// A cache with a blob and a tag, closed, and then harmed.
async fn harmed(harm: impl Fn(&Path)) -> (Bed, Repository, Bytes) {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 100_000));
    fill(&cache, &name, &bytes).await.expect("published");
    let contents: Vec<_> = (0..200).map(|seed| content(seed, 2000)).collect();
    let puts = contents.iter().map(|bytes| cache.put_small(&name, small(bytes)));
    for put in futures_util::future::join_all(puts).await {
        put.expect("stored");
    }
    cache.close().await;
    drop(cache);
    harm(&bed.dir.join("index.redb"));
    (bed, name, bytes)
}

#[tokio::test]
async fn a_corrupt_index_is_set_aside_and_the_blobs_are_adopted() {
    let harms: [fn(&Path); 3] = [
        |index| fs::write(index, b"not an index").expect("written"),
        |index| fs::write(index, vec![0xAA; 2 << 20]).expect("written"),
        |index| {
            let length = fs::metadata(index).expect("there").len();
            let file = fs::File::options().write(true).open(index).expect("opened");
            file.set_len(length / 2).expect("cut");
        },
    ];
    for harm in harms {
        let (bed, name, bytes) = harmed(harm).await;
        fs::write(bed.dir.join("index.redb.corrupt-4"), b"older").expect("written");
        let cache = bed.open().await;
        let recovery = cache.recover().await;
        assert_eq!((recovery.hidden, recovery.errors), (1, 0), "{recovery:?}");
        assert!(matches!(cache.blob(&name, &digest(&bytes)), Ok(Presence::Hidden)));
        assert_eq!(
            names_but_ballast(&bed.dir),
            [
                "blobs",
                "fill",
                "index.redb",
                "index.redb.corrupt-5",
                "lock",
                "uses.log"
            ]
        );
        fill(&cache, &name, &bytes).await.expect("published");
        assert_eq!(seen(&cache, &name, &digest(&bytes)), Some(bytes.to_vec()));
    }
}

#[tokio::test]
async fn damage_within_the_index_ends_with_one_that_can_be_written() {
    // The header stays, every tree is nonsense.
    let (bed, name, bytes) = harmed(|index| {
        let mut all = fs::read(index).expect("read");
        for (number, page) in all.chunks_mut(4096).enumerate().skip(1) {
            if number % 2 == 1 {
                page.fill(0x5A);
            }
        }
        fs::write(index, all).expect("written");
    })
    .await;
    let cache = bed.open().await;
    // Whatever is asked, nothing panics, and it ends with an index that can be written.
    for number in 0..200 {
        let _ = cache.blob(&name, &digest(&content(number, 2000)));
    }
    for _ in 0..20 {
        if cache.put_small(&name, small(&content(7, 100))).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    cache
        .put_small(&name, small(&content(8, 100)))
        .await
        .expect("stored");
    fill(&cache, &name, &bytes).await.expect("published");
    assert_eq!(seen(&cache, &name, &digest(&bytes)), Some(bytes.to_vec()));
}

#[tokio::test]
async fn an_index_that_is_damaged_in_use_is_replaced_and_the_blobs_adopted() {
    use std::os::unix::fs::FileExt;
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, layer) = (repository("a"), content(1, 100_000));
    fill(&cache, &name, &layer).await.expect("published");
    // More than redb keeps in memory, in rows small enough to make many pages of the tree.
    let contents: Vec<_> = (0..3000).map(|seed| content(seed, 3000)).collect();
    let puts = contents.iter().map(|bytes| cache.put_small(&name, small(bytes)));
    for put in futures_util::future::join_all(puts).await {
        put.expect("stored");
    }
    let lost = cache.lost();
    assert_eq!(cache.recover().await, Recovery::default());
    assert!(cache.is_settled());
    let file = fs::File::options()
        .write(true)
        .open(bed.dir.join("index.redb"))
        .expect("opened");
    let pages = file.metadata().expect("there").len() / 4096;
    for page in 1..pages {
        file.write_all_at(&[0x5A; 4096], page * 4096).expect("harmed");
    }
    for bytes in &contents {
        // Right, absent or an error, never wrong.
        if let Ok(Presence::Here(Content::Inline(found))) = cache.blob(&name, &digest(bytes)) {
            assert_eq!(found, bytes);
        }
    }
    tokio::time::timeout(Duration::from_secs(20), lost.notified())
        .await
        .expect("the loss is told");
    assert!(!cache.is_settled(), "what has no row may be wanted");
    assert_eq!(cache.recover().await.hidden, 1);
    assert!(matches!(cache.blob(&name, &digest(&layer)), Ok(Presence::Hidden)));
    assert!(cache.is_settled());
    cache.put_small(&name, small(&contents[0])).await.expect("stored");
    assert!(names(&bed.dir).contains(&"index.redb.corrupt-1".to_owned()));
}

#[tokio::test]
async fn inline_content_that_rots_is_never_served() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, document) = (repository("a"), manifest("{\"rot\": \"not yet, not yet\"}"));
    cache.put_manifest(&name, &document).await.expect("stored");
    cache.close().await;
    drop(cache);
    let index = bed.dir.join("index.redb");
    let mut all = fs::read(&index).expect("read");
    let places: Vec<_> = all
        .windows(document.bytes.len())
        .enumerate()
        .filter(|(_, window)| *window == document.bytes)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        all[at + 5] ^= 1;
    }
    fs::write(&index, all).expect("written");
    let cache = bed.open().await;
    assert!(cache.manifest(&name, &document.digest).expect("read").is_none());
    until("it is gone", || cache.stats().blobs == 0).await;
    cache.put_manifest(&name, &document).await.expect("stored");
    assert!(cache.manifest(&name, &document.digest).expect("read").is_some());
}

#[tokio::test]
async fn an_index_of_a_newer_program_is_left_alone() {
    let bed = Bed::new();
    let cache = bed.open().await;
    cache
        .put_small(&repository("a"), small(&content(1, 10)))
        .await
        .expect("stored");
    cache.close().await;
    drop(cache);
    let index = bed.dir.join("index.redb");
    const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    {
        let database = Database::create(&index).expect("opened");
        let transaction = database.begin_write().expect("begun");
        let mut meta = transaction.open_table(META).expect("opened");
        meta.insert("schema", 99).expect("set");
        drop(meta);
        transaction.commit().expect("written");
    }
    let error = try_open(bed.options()).await.expect_err("newer");
    let text = crate::source::chain(&error);
    assert!(
        text.contains("schema is 99") && text.contains("index.redb"),
        "{text}"
    );
    assert_eq!(
        names_but_ballast(&bed.dir),
        ["blobs", "fill", "index.redb", "lock", "uses.log"]
    );
    let database = Database::open(&index).expect("opened");
    let meta = database
        .begin_read()
        .expect("begun")
        .open_table(META)
        .expect("opened");
    assert_eq!(
        meta.get("schema").expect("read").map(|version| version.value()),
        Some(99)
    );
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_kill() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let name = repository("a");
    for number in 0..20 {
        let bytes = content(number, 700);
        cache.put_small(&name, small(&bytes)).await.expect("stored");
        cache
            .put_tag(&name, &tag("t"), digest(&bytes), Timestamp(number))
            .await
            .expect("stored");
        if number % 5 == 0 {
            let left = crashed(&bed.dir);
            let cache = Bed::at(left.path()).open().await;
            for earlier in 0..=number {
                let bytes = content(earlier, 700);
                assert_eq!(seen(&cache, &name, &digest(&bytes)), Some(bytes.to_vec()));
            }
            let record = cache.tag(&name, &tag("t")).expect("read").expect("there");
            assert_eq!(record.digest, digest(&bytes));
        }
    }
}

/// An index whose syncs wait until they are let go.
#[derive(Default)]
struct Slow {
    held: Mutex<bool>,
    let_go: parking_lot::Condvar,
}

impl Slow {
    fn hold(&self, held: bool) {
        *self.held.lock() = held;
        self.let_go.notify_all();
    }
}

impl Faults for Slow {
    fn before(&self, call: Call, path: &Path) -> io::Result<()> {
        let mut held = self.held.lock();
        while *held && call == Call::Sync && path.ends_with("index.redb") {
            self.let_go.wait(&mut held);
        }
        Ok(())
    }
}

#[tokio::test]
async fn clients_are_not_given_much_of_what_a_crash_would_lose() {
    let dir = tempfile::tempdir().expect("a folder");
    let slow = Arc::<Slow>::default();
    let cache = open(Options {
        disk: Disk::with_faults(slow.clone()),
        ..Options::new(dir.path())
    })
    .await;
    let bytes = content(1, 900_000);
    slow.hold(true);
    let mut fill = cache
        .begin_fill(&repository("a"), &digest(&bytes), Some(900_000))
        .await
        .expect("begun");
    // Its patience does not end while somebody is busy.
    tokio::time::pause();
    let mut append = Box::pin(fill.append(batch(&bytes)));
    let written = || {
        let partial = std::fs::metadata(dir.path().join("fill").join(digest(&bytes).file_name()));
        partial.is_ok_and(|file| file.len() == 900_000)
    };
    let mut rounds = 0;
    while rounds < 1000 {
        assert!(
            futures_util::poll!(append.as_mut()).is_pending(),
            "not before its row is durable"
        );
        rounds += u32::from(written());
        tokio::task::yield_now().await;
    }
    tokio::time::resume();
    slow.hold(false);
    append.await.expect("written");
    let copy = tempfile::tempdir().expect("a folder");
    for name in ["index.redb", "fill"] {
        let status = std::process::Command::new("cp")
            .args([
                "-r".as_ref(),
                dir.path().join(name).as_os_str(),
                copy.path().as_os_str(),
            ])
            .status();
        assert!(status.is_ok_and(|status| status.success()), "copied");
    }
    let survivor = open(Options::new(copy.path())).await;
    survivor.recover().await;
    let left = survivor.partial(&digest(&bytes)).expect("it was listed");
    assert_eq!(left.have, 900_000);
}
