//! Disks that are too small: every pull succeeds, and nothing is left behind.

use tests::{
    disk::Disk,
    images::Blob,
    larder::{self, Larder},
    stage::{REPOSITORY, Stage, image, quick},
    upstream::{Settings, Upstream},
    wait,
};

const MIB: u64 = 1 << 20;

async fn stage_on(disk: &Disk) -> Stage {
    let upstream = Settings::default().start().await;
    let larder = Larder::start_on(quick(&[upstream.url()]), disk.path()).await;
    Stage { upstream, larder }
}

fn mib(count: u64) -> usize {
    usize::try_from(count * MIB).expect("a few MiB")
}

async fn nothing_left(stage: &Stage, disk: &Disk, blobs: &[&Blob]) {
    let clean = wait::until("fills to be cleared away", wait::PATIENCE, async || {
        stage.larder.fills().is_empty().then_some(())
    });
    clean.await;
    for blob in blobs {
        let files = stage.larder.files_of(&blob.digest);
        assert!(
            files.iter().all(|f| f.size == blob.len()),
            "{files:?}, room {:?}",
            disk.room()
        );
    }
}

#[tokio::test]
async fn a_blob_larger_than_the_disk_passes_through() {
    let disk = Disk::tmpfs(10 * MIB, 1000);
    let stage = stage_on(&disk).await;
    let (large, small) = (stage.blob(1, mib(20)), stage.blob(2, 300_000));
    for _ in 0..2 {
        stage.expect_blob(&large).await;
        nothing_left(&stage, &disk, &[&large]).await;
    }
    // An orphan of 10 MB would keep this out.
    stage.expect_blob(&small).await;
    stage.published(&small.digest).await;
    let again = stage.expect_blob(&small).await;
    assert_eq!(
        again.headers.text("x-larder-cache"),
        "hit",
        "there is room for what fits"
    );
    let image = stage.image(5, 200_000);
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "new tags still work"
    );
}

#[tokio::test]
async fn sixteen_clients_of_a_blob_larger_than_the_disk() {
    let disk = Disk::tmpfs(10 * MIB, 1000);
    let stage = stage_on(&disk).await;
    let large = stage.blob(1, mib(20));
    let pulls = (0..16).map(|_| stage.expect_blob(&large));
    wait::within(
        "16 pulls",
        2 * wait::PATIENCE,
        futures_util::future::join_all(pulls),
    )
    .await;
    nothing_left(&stage, &disk, &[&large]).await;
    assert!(
        stage.larder.process().rss() < 96 * MIB,
        "{}",
        stage.larder.process().rss()
    );
}

#[tokio::test]
async fn a_full_disk_makes_room_or_passes_through() {
    let disk = Disk::tmpfs(24 * MIB, 1000);
    let stage = stage_on(&disk).await;
    let blobs: Vec<Blob> = (0..12).map(|n| stage.blob(n, mib(4))).collect();
    for blob in &blobs {
        stage.expect_blob(blob).await;
    }
    for blob in &blobs {
        stage.expect_blob(blob).await;
    }
    nothing_left(&stage, &disk, &blobs.iter().collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn without_inodes_pulls_go_on() {
    let disk = Disk::ext4(64 * MIB, 128);
    let stage = stage_on(&disk).await;
    let cached = stage.image(1, 300_000);
    stage.cache(&cached).await;
    disk.use_up_inodes();
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(cached.digest()),
        "what is cached is served"
    );
    // New content, of all kinds: a tag, manifests, small blobs, a large one.
    for seed in 10..14 {
        let image = image(seed * 10, 300_000);
        stage.upstream.content().push(REPOSITORY, "v1", &image);
        for reference in [image.digest()] {
            assert_eq!(stage.manifest(reference).await.bytes, image.manifest.bytes);
        }
        for blob in image.all_blobs() {
            stage.expect_blob(blob).await;
        }
    }
    assert_eq!(
        stage.manifest("new").await.status,
        404,
        "an unknown tag is still unknown"
    );
    stage.upstream.content().push("team/new", "v1", &cached);
    let pulled = tests::sequences::skopeo(stage.larder.address(), "registry.test", "team/new", "v1").await;
    assert_eq!(pulled.as_deref(), Ok(cached.digest()), "a cold tag");
    disk.give_back_inodes();
    let blob = stage.blob(99, 300_000);
    let stored = wait::until("content to be stored again", 2 * wait::PATIENCE, async || {
        let answer = stage.expect_blob(&blob).await;
        (answer.headers.text("x-larder-cache") == "hit").then_some(())
    });
    stored.await;
}

#[tokio::test]
async fn without_inodes_what_it_does_on_its_own_is_still_written_down() {
    let disk = Disk::ext4(64 * MIB, 128);
    let mut stage = stage_on(&disk).await;
    let cached = stage.image(1, 300_000);
    stage.cache(&cached).await;
    let data = stage.larder.data().to_owned();
    let ballast = || {
        (0..8)
            .filter(|n| data.join(format!("ballast-{n}")).exists())
            .count()
    };
    assert_eq!(ballast(), 4);
    disk.use_up_inodes();
    assert_eq!(disk.room().inodes, 0);
    for command in ["collect", "inspect"] {
        let url = stage.larder.url();
        let ran = tokio::task::spawn_blocking(move || {
            std::process::Command::new(larder::binary())
                .args(["--server", &url, command])
                .output()
        });
        // What fills the disk is not the cache's: the collection can say so and no more.
        let output = ran.await.expect("no panic").expect("larder runs");
        assert!(command == "collect" || output.status.success(), "{output:?}");
    }
    for name in ["collections.log", "inspection.json"] {
        let written = wait::until("it to be written down", wait::PATIENCE, async || {
            data.join(name).exists().then_some(())
        });
        written.await;
    }
    // An orderly end writes what was used, and takes the socket away; the start makes it again.
    stage.larder.stop().await;
    assert!(data.join("uses.log").exists());
    stage.larder.resume().await;
    assert!(data.join("larder.sock").exists());
    assert_eq!(stage.pull().await.as_deref(), Ok(cached.digest()));
    disk.give_back_inodes();
    let made_again = wait::until("the ballast to be made again", 2 * wait::PATIENCE, async || {
        (ballast() == 4).then_some(())
    });
    made_again.await;
}

#[tokio::test]
async fn starts_on_a_disk_that_is_full() {
    let disk = Disk::ext4(32 * MIB, 4000);
    let mut stage = stage_on(&disk).await;
    let image = stage.image(1, 300_000);
    stage.cache(&image).await;
    stage.larder.stop().await;
    disk.use_up_bytes();
    stage.larder.resume().await;
    assert_eq!(stage.pull().await.as_deref(), Ok(image.digest()));
    let new = stage.blob(9, mib(3));
    stage.expect_blob(&new).await;
    disk.give_back_bytes();
    let stored = wait::until("content to be stored again", 2 * wait::PATIENCE, async || {
        let answer = stage.expect_blob(&new).await;
        (answer.headers.text("x-larder-cache") == "hit").then_some(())
    });
    stored.await;
}

#[tokio::test]
async fn a_data_folder_that_became_read_only_still_serves() {
    let disk = Disk::ext4(32 * MIB, 4000);
    let stage = stage_on(&disk).await;
    let image = stage.image(1, 300_000);
    stage.cache(&image).await;
    disk.make_read_only();
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "what is cached is served"
    );
    let new = stage.blob(9, mib(2));
    stage.expect_blob(&new).await;
    let upstream: &Upstream = &stage.upstream;
    assert!(!upstream.log().gets_of(&new.digest).is_empty());
}
