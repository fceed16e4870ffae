//! Ten times as much is pulled as the disk holds: every pull succeeds, the disk is never filled beyond the mark,
//! and in the end what is counted is what is there. Also while the mirror is killed and started again.

use std::time::{Duration, Instant};

use tests::{
    disk::Disk,
    full,
    larder::{self, Config},
};

use crate::site::{MIB, Site, what_is_listed_is_whole};

async fn ten_times_its_size(disk: Disk, size: u64) {
    let site = Site::on(disk, |config| config).await;
    let factor = if full() { 40 } else { 10 };
    let pulls = site.pull(size * factor, 7).await;
    site.accounted().await;
    let collections = site.collections().await;
    println!(
        "{pulls} pulls, {} collections: {collections:?}",
        collections.len()
    );
    assert!(!collections.is_empty(), "it had to make room");
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}

#[tokio::test]
async fn heavy_ten_times_the_bytes_of_the_disk() {
    ten_times_its_size(Disk::tmpfs(12 * MIB, 4000), 12 * MIB).await;
}

#[tokio::test]
async fn heavy_ten_times_what_its_inodes_hold() {
    ten_times_its_size(Disk::tmpfs(400 * MIB, 60), 12 * MIB).await;
}

#[tokio::test]
async fn heavy_ten_times_both() {
    ten_times_its_size(Disk::ext4(24 * MIB, 90), 16 * MIB).await;
}

/// A filesystem that says that it has no inodes at all has no limit on them.
#[tokio::test]
async fn heavy_ten_times_its_size_where_inodes_are_not_counted() {
    let disk = Disk::tmpfs(12 * MIB, 0);
    assert_eq!(disk.files(), 0, "it counts none");
    ten_times_its_size(disk, 12 * MIB).await;
}

/// One that copies on write counts none either, and is full long before it says so.
#[tokio::test]
async fn heavy_a_btrfs_that_is_full_fails_no_pull() {
    let Some(disk) = Disk::btrfs(18 * MIB) else {
        println!("not shown: no btrfs here");
        return;
    };
    assert_eq!(disk.files(), 0, "it counts none");
    let site = Site::on(disk, |config| config).await;
    let pulls = site.pull(60 * MIB, 7).await;
    site.accounted().await;
    println!("{pulls} pulls, {:.2} full", site.fullness());
    assert!(site.fullness() > 0.5, "{}", site.fullness());
    site.never_above_stop();
}

#[tokio::test]
async fn heavy_a_restart_loop_above_the_mark_does_not_keep_it_from_collecting() {
    const MARK: f64 = 0.6;
    let disk = Disk::tmpfs(16 * MIB, 4000);
    let mut site = Site::on(disk, |config| {
        config.set("cache.high", "0.97").set("cache.low", "0.96")
    })
    .await;
    site.pull(60 * MIB, 7).await;
    let before = site.fullness();
    assert!(before > 0.65, "{before}");
    let marks = |config: Config| {
        config
            .set("cache.high", &MARK.to_string())
            .set("cache.low", "0.5")
    };
    let lower = site.configuration(marks);
    site.stage.larder.kill().await;
    site.stage.larder.reconfigure(lower);
    let life = Duration::from_secs(15);
    let (mut lives, mut told) = (0, Vec::new());
    loop {
        lives += 1;
        assert!(lives < 6, "it is {} full: {told:?}", site.fullness());
        site.stage.larder.resume().await;
        let ends = Instant::now() + life;
        while Instant::now() < ends && site.fullness() > MARK {
            // At first it does not come further than to begin.
            if lives < 4 && larder::worker_of(site.stage.larder.process().id()).is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if site.fullness() <= MARK {
            break;
        }
        told = site.collections().await;
        site.stage.larder.kill().await;
    }
    println!("{lives} lives of {life:?}");
    assert!(lives > 1, "it was restarted");
    site.accounted().await;
}

#[tokio::test]
async fn heavy_restarts_do_not_keep_it_from_collecting() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let mut site = Site::on(disk, |config| config).await;
    for round in 0..8 {
        site.pull(12 * MIB, 100 + round).await;
        // In the middle of whatever it does.
        site.stage.larder.kill().await;
        site.stage.larder.resume().await;
    }
    let history = site.collections().await;
    println!("{} collections, those of earlier lives included", history.len());
    assert!(history.len() > 2, "{history:?}");
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}

#[tokio::test]
async fn heavy_killed_while_it_makes_room() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let mut site = Site::on(disk, |config| config).await;
    let kills = if full() { 500 } else { 25 };
    let mut rng = fastrand::Rng::with_seed(5);
    for kill in 0..kills {
        // Above the mark again, so that it is at work.
        site.pull(3 * MIB, 1000 + kill).await;
        let pulling = site.pull(2 * MIB, 5000 + kill);
        let pause = tokio::time::sleep(Duration::from_micros(rng.u64(0..30_000)));
        tokio::select! {
            _ = pulling => {}
            () = pause => {}
        }
        site.stage.larder.kill().await;
        site.stage.larder.resume().await;
    }
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}
