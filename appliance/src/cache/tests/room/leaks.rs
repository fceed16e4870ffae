//! Files and rows that nobody would have looked after any more.

use redb::{Database, TableDefinition, WriteTransaction};

use super::{races::Site, shelf::*, *};

fn files(site: &Site) -> Vec<String> {
    names(&site.bed.dir.join("blobs"))
}

/// Collects all that there is.
async fn collect(site: &Site) {
    let mut plan = site.plan().await;
    while let Some(taken) = plan.advance().await.expect("carried out") {
        remove(&site.bed.dir, &taken.files);
    }
}

/// Fails the index's sync of this number, once: what was written before it is there all the same.
fn fail_sync(site: &Site, number: u64) {
    let mut count = 0;
    site.bed.faulty.fail(move |call, path| {
        let is_it = call == Call::Sync && path.ends_with("index.redb");
        count += u64::from(is_it);
        (is_it && count == number + 1).then_some(Errno::IO)
    });
}

#[tokio::test]
async fn what_an_eviction_left_that_seemed_to_fail_goes_with_the_next_collection() {
    for number in 0..4 {
        let site = Site::new().await;
        let stored = fill(&site.cache, &site.name, &layer(0)).await;
        drop(stored.expect("stored"));
        fail_sync(&site, number);
        // Whatever it says.
        let _ = site.cache.evict(&layer_digest(0)).await;
        site.bed.faulty.heal();
        pass(&site.clock, 2 * GRACE.as_secs());
        collect(&site).await;
        assert_eq!(files(&site), [""; 0], "sync {number}");
    }
}

#[tokio::test]
async fn what_a_manifest_replaced_that_seemed_to_fail_goes_with_the_next_collection() {
    for number in 0..4 {
        let site = Site::new().await;
        let manifest = naming(&[], &[], None);
        let stored = fill(&site.cache, &site.name, &manifest.bytes).await;
        drop(stored.expect("stored"));
        fail_sync(&site, number);
        let _ = site.cache.put_manifest(&site.name, &manifest).await;
        site.bed.faulty.heal();
        site.put(&manifest).await;
        let _held = site.cache.lease(&manifest.digest);
        collect(&site).await;
        assert_eq!(files(&site), [""; 0], "sync {number}");
        let found = site.cache.manifest(&site.name, &manifest.digest).expect("read");
        assert_eq!(found.map(|found| found.bytes), Some(manifest.bytes));
    }
}

#[tokio::test]
async fn what_is_no_plain_file_is_taken_off_the_list() {
    let site = Site::new().await;
    // A folder says that it has a length, which can be the blob's.
    let length = fs::metadata(&site.bed.dir).expect("there").len();
    let as_long = content(7, usize::try_from(length).expect("short"));
    for (bytes, make) in [
        (layer(0), ["mkfifo"].as_slice()),
        (layer(1), ["mkdir"].as_slice()),
        (as_long, ["mkdir"].as_slice()),
        (layer(2), ["ln", "-s", "/dev/null"].as_slice()),
    ] {
        let digest = digest(&bytes);
        let stored = fill(&site.cache, &site.name, &bytes).await;
        drop(stored.expect("stored"));
        let path = site.bed.dir.join("blobs").join(digest.file_name());
        fs::remove_file(&path).expect("removed");
        let made = std::process::Command::new(make[0])
            .args(&make[1..])
            .arg(&path)
            .status();
        assert!(made.expect("run").success(), "{make:?}");
        let found = site.cache.blob(&site.name, &digest).expect("looked up");
        assert!(matches!(found, Presence::Absent), "{make:?}");
        until("it is off the list", || site.cache.stats().files == 0).await;
    }
}

/// Opened again, after something was done to its index.
async fn spoilt(site: Site, spoil: impl FnOnce(&WriteTransaction)) -> Site {
    site.cache.close().await;
    let Site {
        bed,
        cache,
        clock,
        name,
    } = site;
    drop(cache);
    let database = Database::create(bed.dir.join("index.redb")).expect("opened");
    let transaction = database.begin_write().expect("begun");
    spoil(&transaction);
    transaction.commit().expect("written");
    drop(database);
    let opened = Cache::open(bed.options(), clock.clone()).await;
    Site {
        bed,
        cache: opened.expect("opened"),
        clock,
        name,
    }
}

fn spoil(transaction: &WriteTransaction, table: &'static str, key: &[u8]) {
    let table = TableDefinition::<&[u8], &[u8]>::new(table);
    let mut table = transaction.open_table(table).expect("opened");
    table.insert(key, b"nonsense".as_slice()).expect("written");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_and_is_replaced_is_counted_once() {
    let site = Site::new().await;
    site.images([&[0], &[1], &[2]]).await;
    let before = site.cache.stats();
    let site = spoilt(site, |transaction| {
        spoil(transaction, "blobs", layer_digest(0).key());
        spoil(transaction, "blobs", layer_digest(1).key());
    })
    .await;
    // One comes again, the other goes, before any list has met them.
    let stored = fill(&site.cache, &site.name, &layer(0)).await;
    drop(stored.expect("stored"));
    assert!(site.cache.evict(&layer_digest(1)).await.is_ok());
    let after = site.cache.stats();
    assert_eq!((before.files, after.files), (3, 2));
    assert_eq!(before.bytes - after.bytes, layer(1).len() as u64);
    assert_eq!(before.inline_bytes, after.inline_bytes);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_keeps_no_list_from_being_read() {
    let site = Site::new().await;
    let images = site.images([&[0], &[1], &[2]]).await;
    let part = layer(3).slice(..2000);
    let begun = site.cache.begin_fill(&site.name, &layer_digest(3), None).await;
    let mut begun = begun.expect("begun");
    begun.append(batch(&part)).await.expect("written");
    drop(begun);
    let site = spoilt(site, |transaction| {
        let spoil = |table, key: &[u8]| spoil(transaction, table, key);
        spoil("blobs", layer_digest(1).key());
        // A key that is no digest, before all others.
        spoil("blobs", b"\0");
        spoil("tags", b"\0\0\0\0t2");
        spoil("fills", layer_digest(3).key());
        // A repository that has no name.
        let manifests = TableDefinition::<&[u8], &[u8]>::new("manifests");
        let key = [images[0].digest.key(), &[9, 9, 9, 9]].concat();
        let mut manifests = transaction.open_table(manifests).expect("opened");
        manifests.insert(key.as_slice(), [1].as_slice()).expect("written");
    })
    .await;
    assert_eq!(site.cache.stats().files, 3, "as it was counted before");
    let plan = site.plan().await;
    drop(plan);
    assert_eq!(site.cache.unfinished().expect("read"), []);
    assert_eq!(site.cache.stats().counters.damaged_rows, 5);
    until("the rows are removed", || {
        let stats = site.cache.stats();
        (stats.files, stats.partials) == (2, 0)
    })
    .await;
    let stats = site.cache.stats();
    assert_eq!(
        stats.bytes - stats.inline_bytes,
        (layer(0).len() + layer(2).len()) as u64
    );
    assert_eq!(stats.tags, 2);
    assert!(site.has(&layer_digest(0)) && !site.has(&layer_digest(1)));
    // Its file goes with the rest, and so does the partial.
    collect(&site).await;
    assert_eq!(files(&site), [""; 0]);
    assert_eq!(names(&site.bed.dir.join("fill")), [""; 0]);
    assert_eq!(site.cache.stats().counters.damaged_rows, 5, "each is told once");
    assert_eq!(site.cache.stats().blobs, 0);
    assert_eq!(site.cache.images().expect("read"), []);
}

#[tokio::test]
async fn what_is_only_about_an_image_goes_when_a_person_lets_that_go() {
    let site = Site::new().await;
    let [image, other] = site.images([&[0], &[1]]).await;
    let about = |subject: &Manifest, layer: u8| naming(&[layer_digest(layer)], &[], Some(subject.digest));
    let signature = about(&image, 2);
    let of_signature = about(&signature, 3);
    let (tagged, of_other) = (about(&image, 4), about(&other, 4));
    for (manifest, number) in [(&signature, 2), (&of_signature, 3), (&tagged, 4), (&of_other, 4)] {
        if !site.has(&layer_digest(number)) {
            let stored = fill(&site.cache, &site.name, &layer(number)).await;
            drop(stored.expect("stored"));
        }
        site.put(manifest).await;
    }
    site.tag("signature", &tagged).await;
    let taken = site.cache.retire(&image.digest).await.expect("retired");
    assert_eq!((taken.units, taken.files.len(), taken.pieces), (1, 3, 6));
    for gone in [&image, &signature, &of_signature] {
        assert!(!site.has(&gone.digest));
    }
    for stays in [&other, &tagged, &of_other] {
        assert!(site.has(&stays.digest));
    }
    assert!(site.has(&layer_digest(1)) && site.has(&layer_digest(4)));
}
