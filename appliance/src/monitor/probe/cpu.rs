//! The processors: how busy they are, and how many want them.

use std::{ops::ControlFlow, path::Path, time::Duration};

use super::{Group, Probe, files::Files, share::share};
use crate::{monitor::Sheet, rule::Metric};

/// Time of all processors, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// `cpu  user nice system idle iowait irq softirq steal guest …`. Guests are counted among the users; what the
    /// hypervisor took is time in which somebody waited for a processor. Old kernels tell fewer.
    fn read(line: &str) -> Option<Self> {
        let fields = line.strip_prefix("cpu ")?.split_ascii_whitespace();
        let mut told = 0;
        let mut ticks = Self { busy: 0, all: 0 };
        for (place, field) in fields.take(8).enumerate() {
            let count: u64 = field.parse().ok()?;
            ticks.all = ticks.all.checked_add(count)?;
            if !matches!(place, 3 | 4) {
                ticks.busy = ticks.busy.checked_add(count)?;
            }
            told = place + 1;
        }
        (told >= 4).then_some(ticks)
    }
}

pub(super) struct Cpu {
    files: Files,
    before: Option<Ticks>,
}

impl Cpu {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: Files::below(root),
            before: None,
        }
    }
}

impl Probe for Cpu {
    fn group(&self) -> Group {
        Group::Cpu
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        let mut now = None;
        self.files.lines(format_args!("proc/stat"), |line| {
            now = Ticks::read(line);
            // The first line is of all of them.
            ControlFlow::Break(())
        });
        let before = std::mem::replace(&mut self.before, now);
        if let (Some(before), Some(now)) = (before, now)
            && let Some(busy) = share((before.busy, now.busy), (before.all, now.all))
        {
            sheet.gauge(Metric::CpuBusy, "", busy);
        }
        let load = self.files.text(format_args!("proc/loadavg"));
        let load = load.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
        if let Some(load) = load {
            sheet.gauge(Metric::Load, "", load);
        }
    }
}
