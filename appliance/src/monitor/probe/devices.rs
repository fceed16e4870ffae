//! Disks: what they read and write, how busy they are and how long they take.
//!
//! What is looked at is hardware, or what a hypervisor gives as such: loops, memory and maps of other disks are counted
//! where they end up. A reader without a card has no size.

use std::{path::Path, time::Duration};

use heapless::Vec as Few;

use super::{
    Group, Probe,
    files::{Files, Name, Names},
    health,
    share::{each, share},
};
use crate::{monitor::Sheet, rule::Metric};

/// How names of disks begin that are none, or that are not written.
const UNREAL: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "sr", "fd"];
/// Bytes in what the kernel calls a sector, whatever the disk does.
const SECTOR: u64 = 512;

/// What a disk has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Work {
    requests: u64,
    read: u64,
    written: u64,
    /// Milliseconds that all requests took together.
    took: u64,
    /// Milliseconds in which there was a request.
    busy: u64,
    /// Milliseconds on our clock.
    at: u64,
}

impl Work {
    /// Reads, of them merged, sectors, milliseconds; the same of writes; under way, milliseconds busy, and more.
    fn read(text: &str, at: Duration) -> Option<Self> {
        let mut fields = [0; 10];
        let mut told = text.split_ascii_whitespace();
        for field in &mut fields {
            *field = told.next()?.parse().ok()?;
        }
        let [reads, _, read, read_for, writes, _, written, written_for, _, busy] = fields;
        Some(Self {
            requests: u64::checked_add(reads, writes)?,
            read: read.saturating_mul(SECTOR),
            written: written.saturating_mul(SECTOR),
            took: read_for.checked_add(written_for)?,
            busy,
            at: at.as_millis().try_into().ok()?,
        })
    }
}

pub(super) struct Devices {
    files: Files,
    before: Few<(Name, Work), 32>,
}

impl Devices {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: Files::below(root),
            before: Few::new(),
        }
    }

    fn work(&mut self, name: &Name, at: Duration, sheet: &mut Sheet) {
        let text = self.files.text(format_args!("sys/block/{name}/stat"));
        let Some(now) = text.and_then(|text| Work::read(text, at)) else {
            return;
        };
        let bus = bus(&mut self.files, name);
        sheet.counter_within(Metric::DiskRead, name, now.read, bus);
        sheet.counter_within(Metric::DiskWritten, name, now.written, bus);
        let Some(before) = self.replace(name, now) else {
            return;
        };
        if let Some(busy) = share((before.busy, now.busy), (before.at, now.at)) {
            sheet.gauge(Metric::DiskBusy, name, busy);
        }
        if let Some(milliseconds) = each((before.took, now.took), (before.requests, now.requests)) {
            sheet.gauge(Metric::DiskLatency, name, milliseconds / 1000.0);
        }
    }

    fn replace(&mut self, name: &Name, now: Work) -> Option<Work> {
        if let Some((_, known)) = self.before.iter_mut().find(|(known, _)| known == name) {
            return Some(std::mem::replace(known, now));
        }
        // With more of them than there is room for, the others go without.
        let _ = self.before.push((name.clone(), now));
        None
    }
}

impl Probe for Devices {
    fn group(&self) -> Group {
        Group::Devices
    }

    fn read(&mut self, at: Duration, sheet: &mut Sheet) {
        let is_real = |name: &str| !UNREAL.iter().any(|unreal| name.starts_with(unreal));
        let mut disks: Names = self.files.names(format_args!("sys/block"), is_real);
        disks.retain(|name| {
            let size = self.files.number::<u64>(format_args!("sys/block/{name}/size"));
            size.is_some_and(|size| size > 0) && self.files.exists(format_args!("sys/block/{name}/device"))
        });
        // What is not there any more begins anew when it comes back.
        self.before.retain(|(known, _)| disks.contains(known));
        for name in &disks {
            self.work(name, at, sheet);
            health::disk(&mut self.files, name, sheet);
        }
        health::arrays(&mut self.files, sheet);
        health::filesystems(&mut self.files, sheet);
    }
}

/// What its bus carries at most, in bytes per second, where that is known.
fn bus(files: &mut Files, name: &str) -> Option<f64> {
    if name.starts_with("mmcblk") {
        // HS400: 200 MHz, both edges, 8 bits.
        return Some(400e6);
    }
    if name.starts_with("sd") {
        // SAS-4 and USB 3.2 with two lanes; SATA is slower.
        return Some(2.5e9);
    }
    if name.starts_with("nvme") {
        // `8.0 GT/s PCIe`, and so many lanes.
        let speed = files.text(format_args!("sys/block/{name}/device/device/current_link_speed"));
        let speed: f64 = speed?.split(' ').next()?.parse().ok()?;
        let width: u8 = files.number(format_args!("sys/block/{name}/device/device/current_link_width"))?;
        let bytes = speed * 1e9 * f64::from(width) / 8.0;
        return (bytes.is_finite() && bytes > 0.0).then_some(bytes);
    }
    None
}
