//! Disks without inodes, and what the house still writes down there.

use super::{disk_full::Small, *};

/// Takes every inode that is left.
fn stuff_with_files(folder: &Path) -> Vec<PathBuf> {
    let names = (0..).map(|number| folder.join(format!("stuffing-{number}")));
    names.take_while(|path| fs::File::create(path).is_ok()).collect()
}

fn ballast(dir: &Path) -> usize {
    names(dir)
        .iter()
        .filter(|name| name.starts_with("ballast-"))
        .count()
}

#[tokio::test]
async fn without_inodes_the_houses_own_files_are_written_by_the_ballast() {
    let Some(disk) = Small::mount("size=10m,nr_inodes=120") else {
        return;
    };
    let bed = disk.bed();
    let cache = bed.open().await;
    let name = repository("a");
    fill(&cache, &name, &content(1, 10_000)).await.expect("stored");
    assert_eq!(ballast(&bed.dir), 4);
    let stuffing = stuff_with_files(disk.path());
    let raw = || Disk::real().space(disk.path()).expect("asked").free_inodes;
    assert_eq!(raw(), 0);
    let used = |cache: &Cache| cache.pressure().expect("asked").disk_inodes.used;
    assert_eq!(used(&cache), 116, "the ballast is as good as free");

    // Content gets none of it.
    let refused = cache.begin_fill(&name, &digest(b"x"), None).await;
    assert_eq!(refused.expect_err("none").kind(), Kind::Full(Resource::Inodes));
    let path = bed.dir.join("fill").join(digest(b"x").file_name());
    let refused = cache.inner.disk.create_content(&path).expect_err("none");
    assert_eq!(refused.raw_os_error(), Some(Errno::NOSPC.raw_os_error()));
    assert_eq!(ballast(&bed.dir), 4);

    // Three files that are new and stay; what is made anew costs an inode for a moment.
    cache.save_uses().await;
    assert!(bed.dir.join("uses.log").exists());
    let log = cache.small_file(bed.dir.join("collections.log"));
    let memory = cache.small_file(bed.dir.join("inspection.json"));
    for round in ["one\n", "two\n"] {
        log.append(round.as_bytes()).expect("appended");
        memory.replace(round.as_bytes()).expect("replaced");
        assert_eq!(memory.read().expect("read"), round.as_bytes());
        assert_eq!((ballast(&bed.dir), raw()), (1, 0), "{round}");
    }
    assert_eq!(log.read().expect("read"), b"one\ntwo\n");
    assert_eq!(used(&cache), 119);
    assert!(!names(&bed.dir).iter().any(|name| name.ends_with(".new")));

    // The same in another life, which finds its index damaged.
    cache.close().await;
    drop(cache);
    fs::write(bed.dir.join("index.redb"), vec![7; 100_000]).expect("written");
    let cache = bed.open().await;
    assert!(matches!(cache.state(), State::Healthy), "{:?}", cache.state());
    assert_eq!((ballast(&bed.dir), raw()), (0, 0));
    memory
        .replace(b"three")
        .expect_err("there is nothing left to give");
    assert_eq!(memory.read().expect("read"), b"two\n");
    assert_eq!(cache.recover().await.unknown, [""; 0]);

    for path in stuffing {
        fs::remove_file(path).expect("removed");
    }
    assert_eq!(ballast(&bed.dir), 0, "nobody has looked");
    cache.pressure().expect("asked");
    assert_eq!(ballast(&bed.dir), 4);
    fill(&cache, &name, &content(2, 10_000)).await.expect("stored");
    memory.replace(b"three").expect("replaced");
    assert_eq!(cache.recover().await.unknown, [""; 0]);
}

#[tokio::test]
async fn a_ballast_that_is_short_does_not_take_the_last_inodes() {
    let Some(disk) = Small::mount("size=10m,nr_inodes=120") else {
        return;
    };
    let bed = disk.bed();
    let stuffing = stuff_with_files(disk.path());
    // The cache's own folder and what is in it: a lock, an index, and two folders.
    let (own, rest) = stuffing.split_at(5);
    let free = |files: &[PathBuf]| {
        files
            .iter()
            .for_each(|path| fs::remove_file(path).expect("removed"));
    };
    free(own);
    free(&rest[..6]);
    let cache = bed.open().await;
    for (more, expected) in [(6, 0), (11, 0), (12, 4)] {
        free(
            &rest[..more]
                .iter()
                .filter(|path| path.exists())
                .cloned()
                .collect::<Vec<_>>(),
        );
        cache.pressure().expect("asked");
        assert_eq!(ballast(&bed.dir), expected, "{more} are free");
    }
}
