//! Processors, memory, pressure, sensors, the clock.

use super::*;
use crate::{
    kernel::clock::Discipline,
    monitor::probe::{
        clock::WallClock, cpu::Cpu, memory::Memory, pressure::Pressure, temperature::Temperature,
    },
};

#[test]
fn processors_are_busy_for_the_part_of_the_time_that_is_not_idle() {
    let tree = Tree::new();
    let mut cpu = Cpu::new(tree.root());
    tree.put(
        "proc/stat",
        "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\nintr 9 9\n",
    );
    tree.put("proc/loadavg", "0.38 1.37 2.81 1/203 4711\n");
    let first = read(&mut cpu);
    assert_eq!(
        gauge(&first, Metric::CpuBusy, ""),
        None,
        "nothing follows from one look"
    );
    assert_eq!(gauge(&first, Metric::Load, ""), Some(0.38));
    // 100 more: 20 users', 10 of the system, 10 interrupts, 10 stolen, 50 idle.
    tree.put("proc/stat", "cpu  120 0 110 740 110 5 5 10 50 0\n");
    assert_eq!(gauge(&read(&mut cpu), Metric::CpuBusy, ""), Some(0.5));
    assert_eq!(
        gauge(&read(&mut cpu), Metric::CpuBusy, ""),
        None,
        "no time has passed"
    );
    tree.put("proc/stat", "cpu  10 0 10 70 10 0 0 0\n");
    let back = gauge(&read(&mut cpu), Metric::CpuBusy, "");
    assert!(back.is_some_and(f64::is_nan), "a counter went back: {back:?}");
}

#[test]
fn what_is_no_line_of_processors_says_nothing() {
    let tree = Tree::new();
    let mut cpu = Cpu::new(tree.root());
    for text in [
        "",
        "cpu",
        "cpu  1 2 3",
        "cpu  a b c d",
        "cpux 1 2 3 4",
        "cpu  18446744073709551615 1 1 1",
    ] {
        tree.put("proc/stat", "cpu  1 1 1 1\n");
        let _ = read(&mut cpu);
        tree.put("proc/stat", text);
        tree.put("proc/loadavg", text);
        assert!(read(&mut cpu).is_empty(), "{text:?}");
    }
    // An old kernel tells four.
    tree.put("proc/stat", "cpu  10 0 0 10\n");
    let _ = read(&mut cpu);
    tree.put("proc/stat", "cpu  20 0 0 20\n");
    assert_eq!(gauge(&read(&mut cpu), Metric::CpuBusy, ""), Some(0.5));
}

#[test]
fn memory_is_used_when_programs_cannot_have_it() {
    let tree = Tree::new();
    let mut memory = Memory::new(tree.root());
    tree.put(
        "proc/meminfo",
        "MemTotal:        1000 kB\nMemFree:          100 kB\nMemAvailable:     250 kB\nSwapTotal:           0 kB\nSwapFree:            0 kB\n",
    );
    tree.put("proc/vmstat", "pgfault 9\noom_kill 3\nother 1\n");
    let readings = read(&mut memory);
    assert_eq!(gauge(&readings, Metric::MemoryUsed, ""), Some(0.75));
    assert_eq!(
        gauge(&readings, Metric::MemoryAvailable, ""),
        Some(250.0 * 1024.0)
    );
    assert_eq!(gauge(&readings, Metric::SwapUsed, ""), None, "there is none");
    assert_eq!(counter(&readings, Metric::OomKills, ""), Some(3));

    // Before 3.14; with swap; before oom_kill was counted.
    tree.put(
        "proc/meminfo",
        "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 200 kB\nSReclaimable: 50 kB\nShmem: 100 kB\n\
         SwapTotal: 400 kB\nSwapFree: 100 kB\n",
    );
    tree.put("proc/vmstat", "pgfault 9\n");
    let readings = read(&mut memory);
    assert_eq!(gauge(&readings, Metric::MemoryUsed, ""), Some(0.7));
    assert_eq!(gauge(&readings, Metric::SwapUsed, ""), Some(0.75));
    assert_eq!(counter(&readings, Metric::OomKills, ""), None);
}

#[test]
fn memory_that_cannot_be_is_for_the_gate_and_what_is_no_number_is_absent() {
    let tree = Tree::new();
    let mut memory = Memory::new(tree.root());
    tree.put("proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 5000 kB\n");
    assert_eq!(gauge(&read(&mut memory), Metric::MemoryUsed, ""), Some(-4.0));
    for text in [
        "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
        "MemTotal: -1 kB\nMemAvailable: 9 kB\n",
        "MemTotal: 1000 kB\nMemAvailable:\n",
        "MemTotal: 18446744073709551615 kB\nMemAvailable: 1 kB\n",
        "MemTotal: 1000 kB\nMemFree: 1 kB\n",
    ] {
        tree.put("proc/meminfo", text);
        assert!(read(&mut memory).is_empty(), "{text:?}");
    }
}

#[test]
fn pressure_is_there_where_the_kernel_has_it() {
    let tree = Tree::new();
    let mut pressure = Pressure::new(tree.root());
    assert!(read(&mut pressure).is_empty());
    tree.put(
        "proc/pressure/memory",
        "some avg10=12.50 avg60=0.17 avg300=1.11 total=58761459\nfull avg10=3.00 avg60=0.13 avg300=0.96 total=48300\n",
    );
    // Before 5.13 there is no second line of it, and later it says nothing.
    tree.put(
        "proc/pressure/cpu",
        "some avg10=100.00 avg60=0.00 avg300=0.00 total=1\n",
    );
    tree.put("proc/pressure/io", "some avg10=x total=1\nfull total=2\n");
    let readings = read(&mut pressure);
    assert_eq!(gauge(&readings, Metric::PressureMemory, ""), Some(0.125));
    assert_eq!(gauge(&readings, Metric::PressureMemoryFull, ""), Some(0.03));
    assert_eq!(gauge(&readings, Metric::PressureCpu, ""), Some(1.0));
    assert_eq!(readings.len(), 3);
}

#[test]
fn the_hottest_sensor_of_a_chip_counts_and_open_wires_do_not() {
    let tree = Tree::new();
    let mut temperature = Temperature::new(tree.root());
    let chip = |index: u32, name: &str, inputs: &[(&str, &str)]| {
        tree.put(&format!("sys/class/hwmon/hwmon{index}/name"), format!("{name}\n"));
        for (input, value) in inputs {
            tree.put(&format!("sys/class/hwmon/hwmon{index}/{input}"), value);
        }
    };
    chip(
        0,
        "coretemp",
        &[
            ("temp1_input", "61000\n"),
            ("temp2_input", "64500\n"),
            ("temp2_crit", "100000\n"),
        ],
    );
    chip(1, "nvme", &[("temp1_input", "48850\n")]);
    chip(2, "nvme", &[("temp1_input", "51850\n")]);
    chip(
        3,
        "nct6775",
        &[("temp7_input", "127000\n"), ("temp8_input", "96000\n")],
    );
    chip(
        4,
        "drivetemp",
        &[
            ("temp1_input", "-128000"),
            ("temp2_input", "0"),
            ("temp3_input", ""),
        ],
    );
    chip(
        5,
        "k10temp",
        &[
            ("temp1_input", "99000"),
            ("temp1_fault", "1"),
            ("fan1_input", "1200"),
        ],
    );
    tree.put("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp");
    tree.put("sys/class/thermal/thermal_zone0/temp", "64000");
    let readings = read(&mut temperature);
    assert_eq!(gauge(&readings, Metric::Temperature, "coretemp"), Some(64.5));
    assert_eq!(gauge(&readings, Metric::Temperature, "nvme"), Some(51.85));
    assert_eq!(readings.len(), 2, "{readings:?}");
}

#[test]
fn without_chips_the_zones_are_read() {
    let tree = Tree::new();
    tree.put("sys/class/thermal/thermal_zone0/type", "cpu-thermal");
    tree.put("sys/class/thermal/thermal_zone0/temp", "-5000");
    tree.put("sys/class/thermal/thermal_zone1/type", "gpu-thermal");
    tree.put("sys/class/thermal/cooling_device0/type", "fan");
    tree.put("sys/class/thermal/cooling_device0/temp", "50000");
    let readings = read(&mut Temperature::new(tree.root()));
    assert_eq!(gauge(&readings, Metric::Temperature, "cpu-thermal"), Some(-5.0));
    assert_eq!(readings.len(), 1);
}

#[test]
fn whoever_sets_the_clock_says_whether_it_has() {
    let said = |tree: &Tree, ask| {
        let readings = read(&mut WallClock::asking(tree.root(), ask));
        gauge(&readings, Metric::ClockSynchronised, "")
    };
    let tree = Tree::new();
    let free = || Some(Discipline::Free);
    let set = || Some(Discipline::Synchronised);
    assert_eq!(said(&tree, free), None, "nobody does, or nobody says so");
    assert_eq!(said(&tree, set), Some(1.0));
    tree.folder("run/systemd/timesync");
    assert_eq!(said(&tree, free), Some(0.0), "it is there, and has not");
    assert_eq!(said(&tree, set), Some(1.0));
    assert_eq!(said(&tree, || None), None, "the kernel does not say");
    tree.put("run/systemd/timesync/synchronized", "");
    assert_eq!(said(&tree, free), Some(1.0), "it has, a while ago");
    let mut clock = WallClock::new(tree.root());
    read(&mut clock);
    let readings = read(&mut clock);
    let jump = gauge(&readings, Metric::ClockJump, "");
    assert!(jump.is_some_and(|jump| jump < 60.0), "{jump:?}");
}
