//! What outlives the process.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use crate::{
    clock::Timestamp,
    watchdog::{Footing, History, Late, Memory, Part, Silence, What},
};

const HOUR: u64 = 3600;

fn late(part: Part) -> Late {
    Late::from(Silence {
        part,
        lasts: Duration::from_secs(9),
    })
}

fn opened(path: &Path) -> Memory {
    let (memory, read) = Memory::open(path.to_owned());
    read.expect("read");
    memory
}

#[test]
fn three_resets_within_six_hours_are_enough() {
    let mut history = History::default();
    let now = |hours: u64| Timestamp(1_800_000_000 + hours * HOUR);
    for hour in [0, 1, 3] {
        assert_eq!(history.footing(now(hour)), Footing::Firm);
        history.process(now(hour), late(Part::Runtime));
    }
    assert_eq!(history.footing(now(3)), Footing::Safe);
    assert_eq!(history.footing(now(5)), Footing::Safe);
    assert_eq!(history.footing(now(6)), Footing::Firm, "the first is long ago");
    assert_eq!(history.resets()[0].late, [late(Part::Runtime)]);
    for hour in 10..40 {
        history.process(now(hour), late(Part::Index));
    }
    assert!(history.resets().len() <= 8);
    assert_eq!(history.resets().last().map(|reset| reset.at), Some(now(39)));
}

#[test]
fn a_box_that_wakes_up_in_1970_is_careful() {
    let mut history = History::default();
    for minute in 0..3 {
        history.process(Timestamp(1_800_000_000 + minute), late(Part::Runtime));
    }
    // The clock was not set yet; whoever keeps the time takes the latest for the least that it can be.
    assert_eq!(history.footing(Timestamp(12)), Footing::Safe);
    assert_eq!(history.latest(), Some(Timestamp(1_800_000_002)));
    // It jumps by decades when the network comes up: what was written before is old.
    let mut history = History::default();
    for minute in 0..3 {
        history.process(Timestamp(60 + minute), late(Part::Runtime));
    }
    assert_eq!(history.footing(Timestamp(1_800_000_000)), Footing::Firm);
}

#[test]
fn a_reset_of_the_machine_is_counted_once_and_with_who_was_late() {
    let mut history = History::default();
    history.note(late(Part::Index));
    history.note(late(Part::Fills));
    history.forget("fills");
    assert!(history.machine("boot-1", Timestamp(1000)));
    assert!(!history.machine("boot-1", Timestamp(1001)), "it is the same boot");
    assert_eq!(history.resets()[0].late, [late(Part::Index)]);
    // The process was to end, could not, and the machine was reset.
    history.process(Timestamp(5000), late(Part::Runtime));
    assert!(history.machine("boot-2", Timestamp(5060)));
    let kinds: Vec<_> = history
        .resets()
        .iter()
        .map(|reset| (reset.what, reset.at.0))
        .collect();
    assert_eq!(kinds, [(What::Machine, 1000), (What::Machine, 5000)]);
    // Hours later it is another one.
    history.process(Timestamp(10_000), late(Part::Runtime));
    assert!(history.machine("boot-3", Timestamp(20_000)));
    assert_eq!(history.resets().len(), 4);
}

#[test]
fn it_is_remembered_and_a_torn_write_loses_the_last_one_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("watchdog");
    let mut memory = opened(&path);
    assert_eq!(memory.history(), &History::default());
    let mut written = Vec::new();
    for at in 0..3 {
        memory.history.process(Timestamp(at), late(Part::Runtime));
        memory.write().expect("written");
        written.push(memory.history().clone());
    }
    assert_eq!(opened(&path).history(), &written[2]);
    let whole = fs::read(&path).expect("a file");
    // Cut anywhere within the slot that was written last, and with the bytes of before behind it.
    for cut in [0, 1, 17, 40, 60, 100, 200] {
        let mut torn = whole.clone();
        torn[4096 + cut..4096 + 2048].fill(0);
        fs::write(&path, &torn).expect("a file");
        assert_eq!(opened(&path).history(), &written[1], "cut at {cut}");
    }
    // A bit that flipped in what can be read all the same.
    let text = String::from_utf8(whole.clone()).expect("text");
    let (before, last) = text.split_at(4096);
    assert!(last.contains("\"seconds\":9"), "{last}");
    let flipped = last.replacen("\"seconds\":9", "\"seconds\":8", 1);
    fs::write(&path, format!("{before}{flipped}")).expect("a file");
    assert_eq!(opened(&path).history(), &written[1]);
    // It goes on from there.
    let mut memory = opened(&path);
    memory.history.process(Timestamp(9), late(Part::Door));
    memory.write().expect("written");
    assert_eq!(opened(&path).history(), memory.history());
    for damaged in [Vec::new(), vec![0xff; 8192], b"larder-watchdog-1 9\n".to_vec()] {
        fs::write(&path, &damaged).expect("a file");
        assert_eq!(opened(&path).history(), &History::default());
    }
}

#[test]
fn its_blocks_are_there_from_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("watchdog");
    let mut memory = opened(&path);
    let room = || {
        let metadata = fs::metadata(&path).expect("a file");
        (metadata.len(), metadata.blocks() * 512)
    };
    let before = room();
    assert_eq!(before.0, 8192);
    assert!(before.1 >= 8192, "{before:?}");
    for at in 0..20 {
        memory
            .history
            .note(late(Part::ALL[at as usize % Part::ALL.len()]));
        memory.history.process(Timestamp(at), late(Part::Collector));
        memory.write().expect("written");
    }
    assert_eq!(room(), before);
    assert_eq!(opened(&path).history(), memory.history());
}

#[test]
fn a_history_that_is_too_long_loses_its_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("watchdog");
    let mut memory = opened(&path);
    for at in 0..8 {
        for part in Part::ALL {
            memory.history.note(late(part));
        }
        memory
            .history
            .process(Timestamp(1_800_000_000 + at), late(Part::Runtime));
    }
    memory.write().expect("written");
    let read = opened(&path);
    let (all, kept) = (memory.history().resets(), read.history().resets());
    assert!((1..all.len()).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, &all[all.len() - kept.len()..]);
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let (mut memory, read) = Memory::open("/proc/nowhere/watchdog".into());
    assert!(read.is_err());
    memory.history.process(Timestamp(1), late(Part::Runtime));
    assert!(memory.write().is_err());
    assert_eq!(memory.history().resets().len(), 1, "it counts all the same");
}
