//! What disks, arrays and filesystems say of their own end.
//!
//! Only what anybody may read: SMART takes a privilege that the mirror has not. SCSI's count of errors is left out, as
//! it grows with each question that a disk does not understand; its count of time-outs does not.

use std::ops::ControlFlow;

use super::files::Files;
use crate::{monitor::Sheet, rule::Metric};

/// A disk's own word, by the kind of disk.
pub(super) fn disk(files: &mut Files, name: &str, sheet: &mut Sheet) {
    if name.starts_with("mmcblk") {
        flash(files, name, sheet);
        return;
    }
    if let Some(state) = files.text(format_args!("sys/block/{name}/device/state")) {
        let has_failed = matches!(state, "offline" | "transport-offline" | "dead");
        sheet.gauge(Metric::DiskFailing, name, f64::from(has_failed));
    }
    let timeouts = files.text(format_args!("sys/block/{name}/device/iotmo_cnt"));
    if let Some(count) = timeouts.and_then(hexadecimal) {
        sheet.counter(Metric::DiskErrors, name, count);
    }
}

/// eMMC (JEDEC 84-B51): `0x01` to `0x0a` for each tenth of its life, for two kinds of memory, and `0x0b` beyond; spare
/// blocks are normal, four fifths used, or urgent. 0 says nothing.
fn flash(files: &mut Files, name: &str, sheet: &mut Sheet) {
    let lives = files.text(format_args!("sys/block/{name}/device/life_time"));
    let tenths = lives.and_then(|text| text.split_ascii_whitespace().filter_map(hexadecimal).max());
    if let Some(tenths) = tenths.filter(|tenths| (1..=0xb).contains(tenths)) {
        sheet.gauge(Metric::DiskWorn, name, tenths as f64 / 10.0);
    }
    let spare = files.text(format_args!("sys/block/{name}/device/pre_eol_info"));
    if let Some(spare) = spare
        .and_then(hexadecimal)
        .filter(|spare| (1..=3).contains(spare))
    {
        sheet.gauge(Metric::DiskFailing, name, f64::from(spare == 3));
    }
}

/// An array with a disk less than it should have.
pub(super) fn arrays(files: &mut Files, sheet: &mut Sheet) {
    for name in &files.names(format_args!("sys/block"), |name| name.starts_with("md")) {
        if let Some(missing) = files.number::<u32>(format_args!("sys/block/{name}/md/degraded")) {
            sheet.gauge(Metric::DiskFailing, name, f64::from(missing > 0));
        }
    }
}

/// Errors that filesystems have found and count over their whole life.
pub(super) fn filesystems(files: &mut Files, sheet: &mut Sheet) {
    for name in &files.names(format_args!("sys/fs/ext4"), |name| name != "features") {
        if let Some(count) = files.number(format_args!("sys/fs/ext4/{name}/errors_count")) {
            sheet.counter(Metric::DiskErrors, name, count);
        }
    }
    for id in &files.names(format_args!("sys/fs/btrfs"), |name| name != "features") {
        let disks = files.names(format_args!("sys/fs/btrfs/{id}/devinfo"), |_| true);
        let mut sum = None;
        for disk in &disks {
            files.lines(
                format_args!("sys/fs/btrfs/{id}/devinfo/{disk}/error_stats"),
                |line| {
                    let count = line
                        .split_once("_errs ")
                        .and_then(|(_, count)| count.trim().parse::<u64>().ok());
                    if let Some(count) = count {
                        sum = Some(count.saturating_add(sum.unwrap_or(0)));
                    }
                    ControlFlow::Continue(())
                },
            );
        }
        if let Some(sum) = sum {
            // The whole of it would be longer than is readable.
            let short = id.get(..8).unwrap_or(id);
            sheet.counter(Metric::DiskErrors, short, sum);
        }
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}
