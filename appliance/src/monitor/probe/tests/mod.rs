//! Probes on trees of files like `/`, with what boxes have in them, and on this machine.

mod disks;
mod hosts;
mod networks;

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::{Probe, host};
use crate::{
    monitor::{Raw, Reading, Sheet},
    rule::{Metric, Series},
};

/// A box, as far as its files go.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn root(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn folder(&self, path: &str) {
        fs::create_dir_all(self.root().join(path)).expect("made");
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.root().join(path)).expect("removed");
    }
}

/// What a probe reads after so many seconds.
fn read_at(probe: &mut dyn Probe, seconds: u64) -> Vec<Reading> {
    let mut sheet = Sheet::new(200);
    probe.read(Duration::from_secs(seconds), &mut sheet);
    sheet.readings().to_vec()
}

fn read(probe: &mut dyn Probe) -> Vec<Reading> {
    read_at(probe, 0)
}

fn raw(readings: &[Reading], metric: Metric, of: &str) -> Option<Raw> {
    let series = Series::of(metric, of);
    let found = readings.iter().find(|reading| reading.series == series);
    found.map(|reading| reading.raw)
}

fn gauge(readings: &[Reading], metric: Metric, of: &str) -> Option<f64> {
    match raw(readings, metric, of)? {
        Raw::Gauge(value) => Some(value),
        Raw::Counter(_) => panic!("{metric} is counted"),
    }
}

fn counter(readings: &[Reading], metric: Metric, of: &str) -> Option<u64> {
    match raw(readings, metric, of)? {
        Raw::Counter(count) => Some(count),
        Raw::Gauge(_) => panic!("{metric} is a gauge"),
    }
}

fn limit(readings: &[Reading], metric: Metric, of: &str) -> Option<f64> {
    let series = Series::of(metric, of);
    readings.iter().find(|reading| reading.series == series)?.limit
}

/// This machine: whatever it has, what is said of it is possible.
#[test]
fn this_machine_is_read() {
    let here = tempfile::tempdir().expect("a folder");
    let mut gate = crate::monitor::Gate::default();
    let mut seen = Vec::new();
    let mut probes = host(Path::new("/"), here.path());
    for second in [0, 10] {
        for probe in &mut probes {
            for reading in read_at(&mut **probe, second) {
                let at = crate::monitor::Elapsed {
                    since_start: Duration::from_secs(second),
                    took: Duration::ZERO,
                };
                // The two looks were not ten seconds apart, so that it has been busy for less than that; nothing else
                // may be wrong with it.
                if let Err(reason) = gate.judge(&reading, at) {
                    panic!("{}: {reason:?} {reading:?}", reading.series);
                }
                seen.push(reading.series.metric);
            }
        }
    }
    for metric in [
        Metric::Load,
        Metric::MemoryUsed,
        Metric::MemoryAvailable,
        Metric::DiskBytesUsed,
        Metric::DiskReadOnly,
        Metric::ClockJump,
        Metric::NetworkRoute,
    ] {
        assert!(seen.contains(&metric), "no {metric}");
    }
    if Path::new("/proc/pressure/cpu").exists() {
        assert!(seen.contains(&Metric::PressureCpu));
    }
}

/// An empty box: nothing is there, and nothing is made up.
#[test]
fn a_box_without_files_is_told_nothing_about() {
    let tree = Tree::new();
    for probe in &mut host(tree.root(), &tree.root().join("none")) {
        let readings = [read(&mut **probe), read_at(&mut **probe, 10)].concat();
        let told: Vec<_> = readings.iter().map(|reading| reading.series.metric).collect();
        // Those two are asked of the kernel and not read.
        let asked = |metric: &Metric| matches!(metric, Metric::NetworkRoute | Metric::ClockJump);
        assert!(told.iter().all(asked), "{:?}: {told:?}", probe.group());
    }
}
