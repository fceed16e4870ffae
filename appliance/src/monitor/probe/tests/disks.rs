//! Disks and filesystems.

use std::os::unix::fs::MetadataExt as _;

use proptest::prelude::*;

use super::*;
use crate::monitor::probe::{devices::Devices, filesystem::Filesystem};

impl Tree {
    fn disk(&self, name: &str, stat: &str) {
        self.put(&format!("sys/block/{name}/size"), "1953525168\n");
        self.folder(&format!("sys/block/{name}/device"));
        self.put(&format!("sys/block/{name}/stat"), stat);
    }
}

#[test]
fn a_disk_is_measured_by_what_it_did_between_two_looks() {
    let tree = Tree::new();
    let mut devices = Devices::new(tree.root());
    tree.disk(
        "sda",
        "  100  5  2048  1000  50  0  4096  500  3  700  1500  0 0 0 0 0 0\n",
    );
    let first = read_at(&mut devices, 10);
    assert_eq!(counter(&first, Metric::DiskRead, "sda"), Some(2048 * 512));
    assert_eq!(counter(&first, Metric::DiskWritten, "sda"), Some(4096 * 512));
    assert_eq!(limit(&first, Metric::DiskRead, "sda"), Some(2.5e9));
    assert_eq!(gauge(&first, Metric::DiskBusy, "sda"), None);
    // Ten requests more, 250 ms together; 4 s busy.
    tree.disk("sda", "107 5 2048 1200 53 0 4096 550 0 4700 1750\n");
    let next = read_at(&mut devices, 20);
    assert_eq!(gauge(&next, Metric::DiskLatency, "sda"), Some(0.025));
    assert_eq!(gauge(&next, Metric::DiskBusy, "sda"), Some(0.4));
    // Nothing was asked of it: there is no latency.
    let idle = read_at(&mut devices, 30);
    assert_eq!(gauge(&idle, Metric::DiskLatency, "sda"), None);
    assert_eq!(gauge(&idle, Metric::DiskBusy, "sda"), Some(0.0));
    // Replaced by another: the counters begin anew.
    tree.disk("sda", "1 0 8 1 0 0 0 0 0 1 1\n");
    let back = gauge(&read_at(&mut devices, 40), Metric::DiskBusy, "sda");
    assert!(back.is_some_and(f64::is_nan), "{back:?}");
}

#[test]
fn what_is_no_disk_is_left_out() {
    let tree = Tree::new();
    let stat = "1 1 1 1 1 1 1 1 1 1 1\n";
    for name in ["loop0", "zram0", "dm-0", "sr0"] {
        tree.disk(name, stat);
    }
    // A reader without a card, a map without a device, a disk of which little is told, one of which nonsense is.
    tree.disk("sdb", stat);
    tree.put("sys/block/sdb/size", "0\n");
    tree.put("sys/block/bcache0/size", "9\n");
    tree.put("sys/block/bcache0/stat", stat);
    tree.disk("sdc", "1 1 1\n");
    tree.disk("sdd", "a b c d e f g h i j k\n");
    tree.disk("vda", stat);
    let readings = read(&mut Devices::new(tree.root()));
    let named: Vec<_> = readings
        .iter()
        .map(|reading| reading.series.to_string())
        .collect();
    assert_eq!(named, ["disk.read{vda}", "disk.written{vda}"]);
    assert_eq!(limit(&readings, Metric::DiskRead, "vda"), None);
}

#[test]
fn disks_say_how_worn_they_are_and_whether_they_have_failed() {
    let tree = Tree::new();
    let stat = "1 1 1 1 1 1 1 1 1 1 1\n";
    let mut devices = Devices::new(tree.root());
    for disk in ["mmcblk0", "sda", "nvme0n1"] {
        tree.disk(disk, stat);
    }
    tree.put("sys/block/mmcblk0/device/life_time", "0x03 0x0a\n");
    tree.put("sys/block/mmcblk0/device/pre_eol_info", "0x01\n");
    tree.put("sys/block/sda/device/state", "running\n");
    tree.put("sys/block/sda/device/iotmo_cnt", "0x1f\n");
    tree.put("sys/block/nvme0n1/device/state", "dead\n");
    tree.put(
        "sys/block/nvme0n1/device/device/current_link_speed",
        "8.0 GT/s PCIe\n",
    );
    tree.put("sys/block/nvme0n1/device/device/current_link_width", "4\n");
    tree.put("sys/block/md0/md/degraded", "1\n");
    let readings = read(&mut devices);
    assert_eq!(gauge(&readings, Metric::DiskWorn, "mmcblk0"), Some(1.0));
    assert_eq!(gauge(&readings, Metric::DiskFailing, "mmcblk0"), Some(0.0));
    assert_eq!(limit(&readings, Metric::DiskRead, "mmcblk0"), Some(400e6));
    assert_eq!(gauge(&readings, Metric::DiskFailing, "sda"), Some(0.0));
    assert_eq!(counter(&readings, Metric::DiskErrors, "sda"), Some(31));
    assert_eq!(gauge(&readings, Metric::DiskFailing, "nvme0n1"), Some(1.0));
    assert_eq!(limit(&readings, Metric::DiskRead, "nvme0n1"), Some(4e9));
    assert_eq!(gauge(&readings, Metric::DiskFailing, "md0"), Some(1.0));

    // Urgent; and what says nothing.
    tree.put("sys/block/mmcblk0/device/pre_eol_info", "0x03\n");
    tree.put("sys/block/mmcblk0/device/life_time", "0x00 0x00\n");
    tree.put("sys/block/sda/device/state", "");
    tree.put("sys/block/sda/device/iotmo_cnt", "many");
    tree.put("sys/block/md0/md/degraded", "0\n");
    let readings = read(&mut devices);
    assert_eq!(gauge(&readings, Metric::DiskFailing, "mmcblk0"), Some(1.0));
    assert_eq!(gauge(&readings, Metric::DiskWorn, "mmcblk0"), None);
    assert_eq!(gauge(&readings, Metric::DiskFailing, "sda"), None);
    assert_eq!(counter(&readings, Metric::DiskErrors, "sda"), None);
    assert_eq!(gauge(&readings, Metric::DiskFailing, "md0"), Some(0.0));
}

#[test]
fn filesystems_count_their_errors() {
    let tree = Tree::new();
    tree.folder("sys/fs/ext4/features");
    tree.put("sys/fs/ext4/sda1/errors_count", "2\n");
    tree.put("sys/fs/ext4/sdb1/errors_count", "\n");
    let id = "0f1e2d3c-aaaa-bbbb-cccc-0123456789ab";
    let stats = "write_errs 1\nread_errs 20\nflush_errs 0\ncorruption_errs 300\ngeneration_errs 0\n";
    tree.put(&format!("sys/fs/btrfs/{id}/devinfo/1/error_stats"), stats);
    tree.put(
        &format!("sys/fs/btrfs/{id}/devinfo/2/error_stats"),
        "read_errs 4000\nread_errs x\n",
    );
    let readings = read(&mut Devices::new(tree.root()));
    assert_eq!(counter(&readings, Metric::DiskErrors, "sda1"), Some(2));
    assert_eq!(counter(&readings, Metric::DiskErrors, "0f1e2d3c"), Some(4321));
    assert_eq!(readings.len(), 2, "{readings:?}");
}

#[test]
fn a_filesystem_that_has_given_up_is_read_only() {
    let tree = Tree::new();
    let data = tempfile::tempdir().expect("a folder");
    let device = fs::metadata(data.path()).expect("there").dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mut filesystem = Filesystem::new(tree.root(), data.path());
    let mut told = |options: &str| {
        let line = format!("36 35 {major}:{minor} / / rw,noatime master:1 - ext4 /dev/root {options}\n");
        tree.put(
            "proc/self/mountinfo",
            format!("1 1 0:1 / /x rw - x x shutdown\n\n{line}"),
        );
        read(&mut filesystem)
    };
    let readings = told("rw,errors=continue");
    assert_eq!(gauge(&readings, Metric::DiskReadOnly, ""), Some(0.0));
    let used = gauge(&readings, Metric::DiskBytesUsed, "").expect("told");
    assert!(0.0 < used && used < 1.0, "{used}");
    for options in ["rw,emergency_ro", "rw,shutdown,errors=continue"] {
        assert_eq!(
            gauge(&told(options), Metric::DiskReadOnly, ""),
            Some(1.0),
            "{options}"
        );
    }
    assert_eq!(gauge(&told(""), Metric::DiskReadOnly, ""), Some(0.0));
    drop(data);
    assert!(read(&mut filesystem).is_empty(), "what is not there is not known");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes in any file: no panic, and nothing that is not possible gets through the gate.
    #[test]
    fn no_file_makes_a_probe_panic(
        contents in prop::collection::vec(
            prop_oneof![
                "[ 0-9a-fx:.=-]{0,80}\n?",
                "(cpu |some avg10=|0x)?((18446744073709551615|4294967296|1000|7|0|-1|0x0b) ){0,12}\n?",
                "(cpu |some |full |oom_kill |MemTotal: |MemAvailable: |write_errs )?[ 0-9-]{0,60} - x x (rw|shutdown)\n",
                any::<Vec<u8>>().prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
            ],
            FILES.len() * 2,
        ),
    ) {
        let tree = Tree::new();
        let mut probes = host(tree.root(), tree.root());
        let mut gate = crate::monitor::Gate::default();
        for (round, contents) in contents.chunks(FILES.len()).enumerate() {
            for (file, text) in FILES.iter().zip(contents) {
                tree.put(file, text);
            }
            for probe in &mut probes {
                for reading in read_at(&mut **probe, 10 * round as u64) {
                    let at = crate::monitor::Elapsed {
                        since_start: Duration::from_secs(10 * round as u64),
                        took: Duration::ZERO,
                    };
                    if let Ok(Some(sample)) = gate.judge(&reading, at) {
                        let (least, most) = reading.series.metric.bounds();
                        prop_assert!(least <= sample && sample <= most * 1.1, "{}: {sample}", reading.series);
                    }
                }
            }
        }
    }
}

const FILES: [&str; 24] = [
    "proc/stat",
    "proc/loadavg",
    "proc/meminfo",
    "proc/vmstat",
    "proc/pressure/cpu",
    "proc/pressure/memory",
    "proc/pressure/io",
    "proc/self/mountinfo",
    "sys/block/sda/stat",
    "sys/block/sda/size",
    "sys/block/sda/device/state",
    "sys/block/sda/device/iotmo_cnt",
    "sys/block/nvme0n1/stat",
    "sys/block/nvme0n1/size",
    "sys/block/nvme0n1/device/device/current_link_speed",
    "sys/block/mmcblk0/device/life_time",
    "sys/block/md0/md/degraded",
    "sys/fs/ext4/sda1/errors_count",
    "sys/class/net/eth0/operstate",
    "sys/class/net/eth0/carrier",
    "sys/class/net/eth0/speed",
    "sys/class/net/eth0/statistics/rx_bytes",
    "sys/class/hwmon/hwmon0/name",
    "sys/class/hwmon/hwmon0/temp1_input",
];
