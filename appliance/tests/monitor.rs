//! The sampler takes its memory at the start: it must go on when there is none left.

use std::{alloc::System, path::Path, sync::mpsc, time::Duration};

use larder::{
    clock::Clock,
    monitor::{Round, Sampler, Settings, SharedBoard, probe},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_round_takes_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let (done, rounds) = mpsc::sync_channel(1000);
    let sampler = Sampler::start(
        &Settings {
            interval: Duration::from_millis(20),
            clock: Clock::system(),
        },
        probe::host(Path::new("/"), folder.path()),
        &SharedBoard::default(),
        move |round: &Round| {
            let _ = done.try_send(round.number);
        },
    )
    .expect("started");
    let until = |number| while rounds.recv().expect("a round") < number {};
    // Each thing has been seen, and rates of it as well.
    until(20);
    let region = Region::new(COUNTED);
    until(120);
    let change = region.change();
    drop(sampler);
    // The channel takes a block now and then, and a device may come to be.
    assert!(change.allocations <= 20, "in 100 rounds: {change:?}");
    assert!(change.bytes_allocated <= 16 << 10, "{change:?}");
}
