//! Memory: what is left of it, and whom the kernel killed for it.

use std::{ops::ControlFlow, path::Path, time::Duration};

use super::{Group, Probe, files::Files};
use crate::{monitor::Sheet, rule::Metric};

/// What `meminfo` says, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    total: Option<u64>,
    available: Option<u64>,
    free: Option<u64>,
    buffers: Option<u64>,
    cached: Option<u64>,
    reclaimable: Option<u64>,
    shared: Option<u64>,
    swap_total: Option<u64>,
    swap_free: Option<u64>,
}

impl Told {
    fn line(&mut self, line: &str) {
        let Some((name, rest)) = line.split_once(':') else {
            return;
        };
        let place = match name {
            "MemTotal" => &mut self.total,
            "MemAvailable" => &mut self.available,
            "MemFree" => &mut self.free,
            "Buffers" => &mut self.buffers,
            "Cached" => &mut self.cached,
            "SReclaimable" => &mut self.reclaimable,
            "Shmem" => &mut self.shared,
            "SwapTotal" => &mut self.swap_total,
            "SwapFree" => &mut self.swap_free,
            _ => return,
        };
        let kilobytes = rest.trim().strip_suffix("kB").unwrap_or(rest).trim().parse().ok();
        *place = kilobytes.and_then(|count: u64| count.checked_mul(1024));
    }

    /// Kernels before 3.14 do not say it; then it is what the kernel could drop, roughly.
    fn available(&self) -> Option<u64> {
        self.available.or_else(|| {
            let droppable = self
                .buffers?
                .checked_add(self.cached?)?
                .checked_add(self.reclaimable?)?;
            self.free?
                .checked_add(droppable)?
                .checked_sub(self.shared.unwrap_or(0))
        })
    }
}

pub(super) struct Memory {
    files: Files,
}

impl Memory {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: Files::below(root),
        }
    }
}

impl Probe for Memory {
    fn group(&self) -> Group {
        Group::Memory
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        let mut told = Told::default();
        self.files.lines(format_args!("proc/meminfo"), |line| {
            told.line(line);
            ControlFlow::Continue(())
        });
        let used = |left: u64, all: u64| 1.0 - left as f64 / all as f64;
        if let (Some(available), Some(total)) = (told.available(), told.total.filter(|total| *total > 0)) {
            sheet.gauge(Metric::MemoryUsed, "", used(available, total));
            sheet.gauge(Metric::MemoryAvailable, "", available as f64);
        }
        if let (Some(free), Some(total)) = (told.swap_free, told.swap_total.filter(|total| *total > 0)) {
            sheet.gauge(Metric::SwapUsed, "", used(free, total));
        }
        self.files.lines(format_args!("proc/vmstat"), |line| {
            let Some(count) = line.strip_prefix("oom_kill ") else {
                return ControlFlow::Continue(());
            };
            if let Ok(count) = count.trim().parse() {
                sheet.counter(Metric::OomKills, "", count);
            }
            ControlFlow::Break(())
        });
    }
}
