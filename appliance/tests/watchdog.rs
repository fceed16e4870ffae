//! The guard takes its memory at the start: it must go on when there is none left.

use std::{
    alloc::System,
    os::unix::net::UnixDatagram,
    sync::Arc,
    time::{Duration, Instant},
};

use larder::{
    clock::Clock,
    heartbeat::Beat,
    watchdog::{Choice, Chores, Device, Dials, Facts, Guard, Keeper, Manager, Memory, Part, Scribe},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_look_takes_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("notify");
    let listener = UnixDatagram::bind(&socket).expect("a socket");
    listener
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    let variable = |name: &str| match name {
        "NOTIFY_SOCKET" => Some(socket.clone().into_os_string()),
        "WATCHDOG_USEC" => Some("2000000".into()),
        _ => None,
    };
    let manager = Manager::find(variable, 1).expect("a socket").map(Arc::new);
    let device = folder.path().join("device");
    std::fs::write(&device, "").expect("a file");
    let chores = Chores {
        clock: Clock::system(),
        memory: Memory::open(folder.path().join("watchdog")).0,
        manager: None,
        kill_worker: Box::new(|| {}),
        stands: Box::new(|_| {}),
        last_resort: Box::new(|| {}),
    };
    let keeper = Keeper {
        scribe: Scribe::start(chores, "boot".to_owned()).expect("a thread"),
        manager,
        device: Some(
            Device::open(&device, Facts::default(), Choice::Named, Dials::default()).expect("opened"),
        ),
        end: Box::new(|| {}),
        told: None,
    };
    let guard = Guard::start(keeper).expect("a thread");
    let beats: Vec<_> = Part::ALL.map(|part| (part, Beat::default())).into();
    for (part, beat) in &beats {
        guard.watch(*part, beat.clone());
    }
    let _work: Vec<_> = beats.iter().map(|(_, beat)| beat.work()).collect();
    let mut word = [0; 20];
    let mut alive = || {
        let length = listener.recv(&mut word).expect("a sign of life");
        assert_eq!(length, b"WATCHDOG=1".len());
    };
    alive();
    alive();
    let (region, began) = (Region::new(COUNTED), Instant::now());
    for _ in 0..3 {
        alive();
    }
    let change = region.change();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!((change.allocations, change.reallocations), (0, 0), "{change:?}");
}
