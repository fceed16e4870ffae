//! Somebody who stops and kills the collector's worker, and somebody who reads meanwhile.

use std::{net::SocketAddr, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{interval, sleep};

use super::{
    super::{client, content::Image, small_disk::SmallDisk},
    Waits,
    site::told,
};
use crate::serve::Running;

/// Between two reads.
const PAUSE: Duration = Duration::from_millis(3);
/// Between two signals, in milliseconds.
const APART: std::ops::Range<u64> = 50..500;
/// Between two looks at the disk.
const LOOK: Duration = Duration::from_millis(5);

/// Sends a signal to the worker, if there is one. Whether it got it.
pub(super) fn signal(running: &Running, signal: Signal) -> bool {
    let worker = running.worker().and_then(|id| Pid::from_raw(id.cast_signed()));
    // It may have gone meanwhile.
    worker.is_some_and(|worker| kill_process(worker, signal).is_ok())
}

/// Stops or kills whatever worker there is, at random, until it is dropped. Not so often that none gets anywhere: a worker
/// that fails again and again is left alone for half a minute, and nothing would be shown by it meanwhile.
pub(super) async fn harass(running: &Running, signals: &mut u64) {
    let mut rng = fastrand::Rng::with_seed(167);
    loop {
        sleep(Duration::from_millis(rng.u64(APART))).await;
        let chosen = if rng.bool() { Signal::STOP } else { Signal::KILL };
        *signals += u64::from(signal(running, chosen));
    }
}

/// Reads what is here again and again, until it is dropped.
pub(super) async fn read(address: SocketAddr, image: &Image, waits: &mut Waits, failed: &mut Vec<String>) {
    loop {
        for blob in &image.blobs {
            match client::blob(address, blob).await {
                Ok(whole) => waits.0.push(whole.first_byte),
                Err(broken) => failed.push(told(image, &broken)),
            }
        }
        sleep(PAUSE).await;
    }
}

/// Looks how full the disk is, until it is dropped.
pub(super) async fn watch(disk: &SmallDisk, fullest: &mut f64) {
    let mut look = interval(LOOK);
    loop {
        look.tick().await;
        *fullest = fullest.max(disk.fullness());
    }
}
