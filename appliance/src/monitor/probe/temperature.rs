//! How hot it is: the hottest sensor of each chip.

use std::{path::Path, time::Duration};

use heapless::Vec as Few;

use super::{
    Group, Probe,
    files::{Files, Name},
};
use crate::{monitor::Sheet, rule::Metric};

/// How names of chips begin that have inputs for sensors which most boards do not have: they tell what an open wire
/// gives.
const OPEN_WIRES: [&str; 10] = [
    "nct", "it8", "w83", "f71", "f75", "smsc", "sch5", "dme17", "lm78", "vt12",
];
/// What broken and missing sensors say, in thousandths of a degree: the ends of their ranges, and nothing at all.
const NOTHING: [i64; 6] = [-128_000, -127_000, 0, 127_000, 127_500, 128_000];
/// Chips, and sensors of a chip.
const CHIPS: usize = 16;

type Hottest = Few<(Name, i64), CHIPS>;

pub(super) struct Temperature {
    files: Files,
}

impl Temperature {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            files: Files::below(root),
        }
    }

    fn chips(&mut self, hottest: &mut Hottest) {
        let chips = self.files.names(format_args!("sys/class/hwmon"), |_| true);
        for chip in &chips {
            let name = self.files.text(format_args!("sys/class/hwmon/{chip}/name"));
            let Some(name) = name.and_then(short) else {
                continue;
            };
            if OPEN_WIRES.iter().any(|open| name.starts_with(open)) {
                continue;
            }
            let is_input = |file: &str| file.starts_with("temp") && file.ends_with("_input");
            let inputs = self.files.names(format_args!("sys/class/hwmon/{chip}"), is_input);
            for input in &inputs {
                let sensor = input.trim_end_matches("_input");
                let fault = self
                    .files
                    .number::<u8>(format_args!("sys/class/hwmon/{chip}/{sensor}_fault"));
                let degrees = self.files.number(format_args!("sys/class/hwmon/{chip}/{input}"));
                if let (Some(degrees), None | Some(0)) = (degrees, fault) {
                    note(hottest, &name, degrees);
                }
            }
        }
    }

    fn zones(&mut self, hottest: &mut Hottest) {
        let is_zone = |name: &str| name.starts_with("thermal_zone");
        let zones = self.files.names(format_args!("sys/class/thermal"), is_zone);
        for zone in &zones {
            let kind = self.files.text(format_args!("sys/class/thermal/{zone}/type"));
            let Some(kind) = kind.and_then(short) else {
                continue;
            };
            let degrees = self.files.number(format_args!("sys/class/thermal/{zone}/temp"));
            if let Some(degrees) = degrees {
                note(hottest, &kind, degrees);
            }
        }
    }
}

impl Probe for Temperature {
    fn group(&self) -> Group {
        Group::Temperature
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        let mut hottest = Hottest::new();
        self.chips(&mut hottest);
        // Zones are the same sensors once more, where there are chips.
        if hottest.is_empty() {
            self.zones(&mut hottest);
        }
        for (chip, degrees) in &hottest {
            sheet.gauge(Metric::Temperature, chip, *degrees as f64 / 1000.0);
        }
    }
}

fn short(text: &str) -> Option<Name> {
    Name::try_from(text).ok()
}

fn note(hottest: &mut Hottest, chip: &Name, degrees: i64) {
    if NOTHING.contains(&degrees) {
        return;
    }
    match hottest.iter_mut().find(|(known, _)| known == chip) {
        Some((_, known)) => *known = degrees.max(*known),
        // With so many chips the last ones go without.
        None => {
            let _ = hottest.push((chip.clone(), degrees));
        }
    }
}
