//! A collector whose hands are stopped and killed: every pull succeeds, and left alone it gets done what was left.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use rustix::process::{Signal, kill_process};
use tests::{disk::Disk, full, larder, wait};

use crate::site::{MIB, Site, collect, harass, what_is_listed_is_whole};

#[tokio::test]
async fn heavy_a_worker_that_is_stopped_and_killed_at_random_fails_no_pull() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let site = Site::on(disk, |config| config.set("janitor.step_deadline", "\"1s\"")).await;
    let (harassing, count) = harass(&site, &[Signal::STOP, Signal::KILL], 3);
    let pulls = site.pull(12 * MIB * if full() { 40 } else { 10 }, 11).await;
    harassing.abort();
    // Left alone, it gets done what was left, whatever it had come to.
    let told = wait::until("a collection that ends well", 10 * wait::PATIENCE, async || {
        collect(&site).await.ok()
    });
    println!("{pulls} pulls, {} signals; {}", count.load(Relaxed), told.await);
    assert!(count.load(Relaxed) > 0, "there was a worker to be harassed");
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}

/// Stops every worker as soon as it is there.
async fn stop_all(daemon: u32) {
    loop {
        if let Some(worker) = larder::worker_of(daemon) {
            // It can have ended by now.
            let _ = kill_process(worker, Signal::STOP);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn heavy_with_every_worker_stopped_content_passes_through() {
    let disk = Disk::tmpfs(12 * MIB, 4000);
    let site = Site::on(disk, |config| config.set("janitor.step_deadline", "\"1s\"")).await;
    let stopping = tokio::spawn(stop_all(site.stage.larder.process().id()));
    let pulls = site.pull(60 * MIB, 11).await;
    // Three times a deadline, which is 10 s where an inspection waits for the worker as well.
    let open = wait::until("it to give up for a while", 2 * wait::PATIENCE, async || {
        let metrics = site.stage.larder.metrics().await;
        (metrics.sum("larder_janitor_circuit_open") == 1.0).then(|| metrics.sum("larder_janitor_kills_total"))
    });
    let kills = open.await;
    println!("{pulls} pulls, {kills} workers killed");
    assert!(kills >= 3.0, "{kills}");
    let passed = site.pull(12 * MIB, 12).await;
    println!("{passed} pulls with nobody to make room");
    stopping.abort();
    site.never_above_stop();
    // It is left alone for half a minute.
    if !full() {
        return;
    }
    let told = wait::until("a collection that ends well", 10 * wait::PATIENCE, async || {
        collect(&site).await.ok()
    });
    println!("{}", told.await);
    site.accounted().await;
    site.never_above_stop();
    what_is_listed_is_whole(&site).await;
}
