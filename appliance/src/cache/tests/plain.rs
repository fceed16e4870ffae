//! A sound disk: what is put in comes out, to those who may see it.

use super::*;
use crate::clock::Timestamp;

#[tokio::test]
async fn what_is_put_in_comes_out_also_after_a_restart() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, other) = (repository("library/alpine"), repository("library/busybox"));
    let (manifest, config) = (manifest("{\"a\": 1}"), content(1, 900));
    let layer = content(2, 3_000_000);

    cache.put_manifest(&name, &manifest).await.expect("stored");
    cache.put_small(&name, small(&config)).await.expect("stored");
    let published = fill(&cache, &name, &layer).await.expect("published");
    assert_eq!(read(&published), layer);
    cache
        .put_tag(&name, &tag("3.20"), manifest.digest, Timestamp(7))
        .await
        .expect("stored");
    cache
        .put_tag(&name, &tag("latest"), manifest.digest, Timestamp(8))
        .await
        .expect("stored");
    cache
        .put_referrers(&name, &manifest.digest, Bytes::from_static(b"[]"), Timestamp(9))
        .await
        .expect("stored");
    cache.forget_tag(&name, &tag("latest")).await.expect("forgotten");

    let check = |cache: &Cache| {
        let found = cache
            .manifest(&name, &manifest.digest)
            .expect("read")
            .expect("there");
        assert_eq!(
            (&found.bytes, &found.media_type),
            (&manifest.bytes, &manifest.media_type)
        );
        assert_eq!(seen(cache, &name, &digest(&config)), Some(config.to_vec()));
        assert_eq!(seen(cache, &name, &digest(&layer)), Some(layer.to_vec()));
        let record = cache.tag(&name, &tag("3.20")).expect("read").expect("there");
        assert_eq!((record.digest, record.checked), (manifest.digest, Timestamp(7)));
        assert_eq!(cache.tag(&name, &tag("latest")).expect("read"), None);
        assert_eq!(cache.tags(&name).expect("read"), [tag("3.20")]);
        assert_eq!(cache.tags(&other).expect("read"), []);
        let referrers = cache
            .referrers(&name, &manifest.digest)
            .expect("read")
            .expect("there");
        assert_eq!(
            (&referrers.index[..], referrers.checked),
            (&b"[]"[..], Timestamp(9))
        );
        let images = cache.images().expect("read");
        assert_eq!(images.len(), 1);
        assert_eq!((&images[0].repository, &images[0].tag), (&name, &tag("3.20")));
        let stats = cache.stats();
        assert_eq!((stats.blobs, stats.inline, stats.files), (3, 2, 1));
        assert_eq!((stats.manifests, stats.tags, stats.partials), (1, 1, 0));
        assert_eq!(
            stats.bytes,
            (manifest.bytes.len() + config.len() + layer.len()) as u64
        );
        assert!(matches!(stats.state, State::Healthy));
    };
    check(&cache);
    cache.close().await;
    drop(cache);
    let cache = bed.open().await;
    check(&cache);
    assert_eq!(cache.recover().await, Recovery::default());
    check(&cache);
}

#[tokio::test]
async fn a_repository_sees_what_its_upstream_was_shown_to_have() {
    let cache = Bed::new();
    let cache = cache.open().await;
    let (one, two) = (repository("one"), repository("two"));
    let (inline, layer, document) = (content(1, 100), content(2, 100_000), manifest("{}"));
    cache.put_small(&one, small(&inline)).await.expect("stored");
    cache.put_manifest(&one, &document).await.expect("stored");
    fill(&cache, &one, &layer).await.expect("published");
    for digest in [digest(&inline), digest(&layer), document.digest] {
        assert!(matches!(cache.blob(&two, &digest), Ok(Presence::Hidden)));
        cache.show(&two, &digest).await.expect("shown");
        assert!(matches!(cache.blob(&two, &digest), Ok(Presence::Here(_))));
    }
    // A manifest needs the media type that this repository's upstream declared.
    assert!(cache.manifest(&two, &document.digest).expect("read").is_none());
    cache.put_manifest(&two, &document).await.expect("stored");
    assert!(cache.manifest(&two, &document.digest).expect("read").is_some());

    let nothing = digest(b"nothing");
    cache.show(&two, &nothing).await.expect("nothing to show");
    assert!(matches!(cache.blob(&two, &nothing), Ok(Presence::Absent)));
    cache
        .put_small(&one, small(&Bytes::from_static(b"nothing")))
        .await
        .expect("stored");
    assert!(
        matches!(cache.blob(&two, &nothing), Ok(Presence::Hidden)),
        "shown too early"
    );
}

#[tokio::test]
async fn eviction_takes_the_rows_and_the_file_but_not_the_reader() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let name = repository("a");
    let layer = content(1, 200_000);
    let held = fill(&cache, &name, &layer).await.expect("published");
    cache.evict(&digest(&layer)).await.expect("evicted");
    assert!(matches!(cache.blob(&name, &digest(&layer)), Ok(Presence::Absent)));
    assert_eq!(names(&bed.dir.join("blobs")), [""; 0]);
    assert_eq!(read(&held), layer);
    let stats = cache.stats();
    assert_eq!((stats.blobs, stats.files, stats.bytes), (0, 0, 0));
    // What was shown went with it.
    fill(&cache, &repository("b"), &layer).await.expect("published");
    assert!(matches!(cache.blob(&name, &digest(&layer)), Ok(Presence::Hidden)));
}

#[tokio::test]
async fn a_mismatch_leaves_nothing() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let wanted = digest(b"right");
    let mut arriving = cache
        .begin_fill(&repository("a"), &wanted, Some(5))
        .await
        .expect("begun");
    arriving
        .append(batch(&Bytes::from_static(b"wrong")))
        .await
        .expect("written");
    let mismatch = arriving.verify().expect_err("wrong");
    assert_eq!(
        (mismatch.expected, *mismatch.actual, mismatch.length),
        (wanted, digest(b"wrong"), 5)
    );
    assert_eq!(names(&bed.dir.join("fill")), [""; 0]);
    until("the fill's row is gone", || cache.stats().partials == 0).await;
    assert!(VerifiedBytes::check(wanted, Bytes::from_static(b"wrong")).is_err());
    let mut lying = manifest("{}");
    lying.digest = wanted;
    let refused = cache.put_manifest(&repository("a"), &lying).await;
    assert_eq!(refused.expect_err("wrong").kind(), Kind::Corrupt);
}

#[tokio::test]
async fn one_fill_per_digest_and_its_vector_comes_back() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 1_000_000));
    let digest = digest(&bytes);
    let mut first = cache.begin_fill(&name, &digest, None).await.expect("begun");
    let second = cache.begin_fill(&name, &digest, None).await;
    assert_eq!(second.expect_err("busy").kind(), Kind::Busy);
    let full = batch(&bytes);
    let capacity = full.capacity();
    let empty = first.append(full).await.expect("written");
    assert!(empty.is_empty() && empty.capacity() == capacity);
    assert_eq!(first.len(), bytes.len() as u64);
    assert_eq!(first.hasher().finish(), digest);
    let held = first.file();
    first.discard();
    assert_eq!(held.metadata().expect("open").len(), bytes.len() as u64);
    drop(cache.begin_fill(&name, &digest, None).await.expect("free again"));
    assert_eq!(
        names(&bed.dir.join("fill")),
        [""; 0],
        "an empty partial costs no inode"
    );
}

#[tokio::test]
async fn a_dropped_append_is_finished_before_the_next() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let bytes = content(1, 4_000_000);
    let mut fill = cache
        .begin_fill(&repository("a"), &digest(&bytes), None)
        .await
        .expect("begun");
    for part in bytes.chunks(500_000) {
        let mut append = Box::pin(fill.append(batch(&Bytes::copy_from_slice(part))));
        // Polled once, so that it is under way, then dropped.
        let _ = futures_util::poll!(append.as_mut());
        drop(append);
        fill.append(Vec::new()).await.expect("nothing to write");
    }
    assert_eq!(fill.len(), bytes.len() as u64);
    fill.verify()
        .expect("in order")
        .publish()
        .await
        .expect("published");
}

#[tokio::test]
async fn a_dropped_publish_goes_on() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, bytes) = (repository("a"), content(1, 100_000));
    let mut fill = cache
        .begin_fill(&name, &digest(&bytes), None)
        .await
        .expect("begun");
    fill.append(batch(&bytes)).await.expect("written");
    let mut publish = Box::pin(fill.verify().expect("matches").publish());
    let _ = futures_util::poll!(publish.as_mut());
    drop(publish);
    until("it is listed", || seen(&cache, &name, &digest(&bytes)).is_some()).await;
}

#[tokio::test]
async fn a_tag_that_is_only_checked_again_costs_no_write() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let (name, tag, digest) = (repository("a"), tag("1"), digest(b"x"));
    cache
        .put_tag(&name, &tag, digest, Timestamp(100))
        .await
        .expect("stored");
    let commits = cache.stats().counters.commits;
    for time in 101..150 {
        cache
            .put_tag(&name, &tag, digest, Timestamp(time))
            .await
            .expect("kept");
    }
    assert_eq!(cache.stats().counters.commits, commits);
    let checked = |cache: &Cache| cache.tag(&name, &tag).expect("read").expect("there").checked;
    assert_eq!(checked(&cache), Timestamp(149));
    assert_eq!(cache.images().expect("read")[0].checked, Timestamp(149));
    cache.close().await;
    drop(cache);
    let cache = bed.open().await;
    assert_eq!(checked(&cache), Timestamp(149), "written at the end");
    let moved = super::digest(b"y");
    cache
        .put_tag(&name, &tag, digest, Timestamp(200))
        .await
        .expect("kept");
    cache
        .put_tag(&name, &tag, moved, Timestamp(201))
        .await
        .expect("stored");
    let record = cache.tag(&name, &tag).expect("read").expect("there");
    assert_eq!((record.digest, record.checked), (moved, Timestamp(201)));
}

#[tokio::test]
async fn a_second_process_is_told_who_was_first() {
    let bed = Bed::new();
    let first = bed.open().await;
    let error = Cache::open(bed.options(), clock()).await.expect_err("locked");
    assert_eq!(error.kind(), Kind::Busy);
    let text = crate::source::chain(&error);
    assert!(
        text.contains(&format!("process {} uses it", std::process::id())),
        "{text}"
    );
    first.close().await;
    // Closed is enough, though a handle is still held.
    bed.open().await;
    assert!(
        first
            .put_small(&repository("a"), small(&content(1, 9)))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_path_that_cannot_be_a_folder_is_a_mistake() {
    let file = tempfile::NamedTempFile::new().expect("file");
    let error = Cache::open(Options::new(file.path()), clock())
        .await
        .expect_err("a file");
    assert!(error.to_string().contains("open the cache"), "{error}");
    let below = Options::new(file.path().join("below"));
    Cache::open(below, clock()).await.expect_err("below a file");
}

#[tokio::test]
async fn time_goes_on_from_what_was_seen() {
    let bed = Bed::new();
    let cache = bed.open().await;
    cache
        .put_small(&repository("a"), small(&content(1, 9)))
        .await
        .expect("stored");
    cache.close().await;
    drop(cache);
    let clock = Clock::starting_at(Duration::from_secs(12));
    Cache::open(bed.options(), clock.clone()).await.expect("opened");
    assert!(clock.now() >= Timestamp(1_800_000_000), "{:?}", clock.now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_share_transactions() {
    let bed = Bed::new();
    let cache = bed.open().await;
    let tasks: Vec<_> = (0..64)
        .map(|number: u64| {
            let cache = cache.clone();
            tokio::spawn(async move {
                let name = repository(&format!("r{}", number % 7));
                let (inline, layer) = (content(number, 500), content(1000 + number, 50_000));
                cache.put_small(&name, small(&inline)).await.expect("stored");
                fill(&cache, &name, &layer).await.expect("published");
                assert_eq!(seen(&cache, &name, &digest(&inline)), Some(inline.to_vec()));
                assert_eq!(seen(&cache, &name, &digest(&layer)), Some(layer.to_vec()));
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("done");
    }
    let stats = cache.stats();
    assert_eq!((stats.blobs, stats.files, stats.filling), (128, 64, 0));
    // At least 64 x (start of the fill + small + publish) changes.
    assert!(stats.counters.commits < 150, "{} commits", stats.counters.commits);
}
