//! Pressure: in which part of the last ten seconds somebody waited for a resource, or everybody did.
//!
//! Kernels without it, or with it switched off, have no such files or fail at reading them.

use std::{ops::ControlFlow, path::Path, time::Duration};

use super::{Group, Probe, files::Files};
use crate::{monitor::Sheet, rule::Metric};

pub(super) struct Pressure {
    files: Files,
}

impl Pressure {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: Files::below(root),
        }
    }
}

impl Probe for Pressure {
    fn group(&self) -> Group {
        Group::Pressure
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        for (resource, some, full) in [
            ("cpu", Metric::PressureCpu, None),
            ("memory", Metric::PressureMemory, Some(Metric::PressureMemoryFull)),
            ("io", Metric::PressureIo, Some(Metric::PressureIoFull)),
        ] {
            self.files
                .lines(format_args!("proc/pressure/{resource}"), |line| {
                    let metric = match line.split_ascii_whitespace().next() {
                        Some("some") => Some(some),
                        Some("full") => full,
                        _ => None,
                    };
                    if let (Some(metric), Some(percent)) = (metric, last_ten_seconds(line)) {
                        sheet.gauge(metric, "", percent / 100.0);
                    }
                    ControlFlow::Continue(())
                });
        }
    }
}

/// `some avg10=0.22 avg60=0.17 avg300=1.11 total=58761459`
fn last_ten_seconds(line: &str) -> Option<f64> {
    let mut fields = line.split_ascii_whitespace();
    fields
        .find_map(|field| field.strip_prefix("avg10="))?
        .parse()
        .ok()
}
