//! The filesystem of the cache: its room, and whether it can be written.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::{StatVfsMountFlags, major, minor, stat, statvfs};

use super::{Group, Probe, files::Files};
use crate::{monitor::Sheet, rule::Metric};

/// What a filesystem that has given up says among its options, when it does not say that it is read-only.
const GIVEN_UP: [&str; 2] = ["emergency_ro", "shutdown"];

pub(super) struct Filesystem {
    files: Files,
    data_dir: PathBuf,
}

impl Filesystem {
    pub(super) fn new(root: &Path, data_dir: &Path) -> Self {
        Self {
            files: Files::below(root),
            data_dir: data_dir.to_owned(),
        }
    }

    fn has_given_up(&mut self, device: (u32, u32)) -> bool {
        let mut has = false;
        self.files.lines(format_args!("proc/self/mountinfo"), |line| {
            has |= is_of(line, device) && options(line).any(|option| GIVEN_UP.contains(&option));
            ControlFlow::Continue(())
        });
        has
    }
}

impl Probe for Filesystem {
    fn group(&self) -> Group {
        Group::Filesystem
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        let Ok(told) = statvfs(&self.data_dir) else {
            return;
        };
        let used = told.f_blocks.saturating_sub(told.f_bfree);
        // Without what is kept for root, which nobody here gets.
        let whole = used.saturating_add(told.f_bavail);
        if whole > 0 {
            sheet.gauge(Metric::DiskBytesUsed, "", used as f64 / whole as f64);
        }
        // A filesystem that counts none has no limit on them.
        if told.f_files > 0 {
            let used = told.f_files.saturating_sub(told.f_ffree);
            sheet.gauge(Metric::DiskInodesUsed, "", used as f64 / told.f_files as f64);
        }
        let device = stat(&self.data_dir).map(|stat| (major(stat.st_dev), minor(stat.st_dev)));
        let is_read_only = told.f_flag.contains(StatVfsMountFlags::RDONLY)
            || device.is_ok_and(|device| self.has_given_up(device));
        sheet.gauge(Metric::DiskReadOnly, "", f64::from(is_read_only));
    }
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn is_of(line: &str, (major, minor): (u32, u32)) -> bool {
    let device = line.split(' ').nth(2).and_then(|device| device.split_once(':'));
    device.is_some_and(|(a, b)| a.parse() == Ok(major) && b.parse() == Ok(minor))
}

fn options(line: &str) -> impl Iterator<Item = &str> {
    let after = line.split_once(" - ").map(|(_, after)| after);
    let options = after.and_then(|after| after.split(' ').nth(2));
    options.into_iter().flat_map(|options| options.split(','))
}
