//! The wall clock: whether somebody sets it, and whether it jumped.
//!
//! The kernel knows whether it was set of late by whoever sets clocks. That it was not says little: the clock of a virtual
//! machine is often right without, and chrony tells the kernel only where it is configured to. It says something where it
//! was set before, or where whoever sets it says of itself that it has not.

use std::{path::Path, time::Duration};

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{Group, Probe, files::Files};
use crate::{
    kernel::clock::{Discipline, discipline},
    monitor::Sheet,
    rule::Metric,
};

/// Who sets clocks and says so: the folder it has while it runs, and the file that it makes once it has set the clock.
const SETTERS: [(&str, &str); 2] = [
    ("run/systemd/timesync", "run/systemd/timesync/synchronized"),
    ("run/larder/time", "run/larder/time/synchronised"),
];

/// When the two clocks could not be read together, they are not compared.
const APART: Duration = Duration::from_secs(1);

/// The wall clock, and a clock that nobody sets and that also counts while the box sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clocks {
    wall: Duration,
    steady: Duration,
}

impl Clocks {
    fn now() -> Option<Self> {
        let before = read(ClockId::Boottime)?;
        let wall = read(ClockId::Realtime)?;
        let steady = read(ClockId::Boottime)?;
        (steady.saturating_sub(before) < APART).then_some(Self { wall, steady })
    }

    /// How far the wall clock has moved beyond what has passed, or stayed behind it.
    fn jump_since(self, before: Self) -> Duration {
        let due = before
            .wall
            .saturating_add(self.steady.saturating_sub(before.steady));
        self.wall.abs_diff(due)
    }
}

fn read(clock: ClockId) -> Option<Duration> {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    Some(Duration::new(tv_sec.try_into().ok()?, tv_nsec.try_into().ok()?))
}

/// Whether somebody has set the clock, as he says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Set,
    NotYet,
}

pub(super) struct WallClock {
    files: Files,
    before: Option<Clocks>,
    ask: fn() -> Option<Discipline>,
    /// The kernel has said so since the start.
    was_set: bool,
}

impl WallClock {
    pub(super) fn new(root: &Path) -> Self {
        Self::asking(root, discipline)
    }

    /// Asks this instead of the kernel.
    pub(super) fn asking(root: &Path, ask: fn() -> Option<Discipline>) -> Self {
        Self {
            files: Files::below(root),
            before: None,
            ask,
            was_set: false,
        }
    }

    /// What is said by whoever sets the clock.
    fn mark(&mut self) -> Option<Mark> {
        let (mut runs, mut is_set) = (false, false);
        for (folder, mark) in SETTERS {
            runs |= self.files.exists(format_args!("{folder}"));
            is_set |= self.files.exists(format_args!("{mark}"));
        }
        runs.then_some(if is_set { Mark::Set } else { Mark::NotYet })
    }
}

impl Probe for WallClock {
    fn group(&self) -> Group {
        Group::Clock
    }

    fn read(&mut self, _at: Duration, sheet: &mut Sheet) {
        if let Some(now) = Clocks::now()
            && let Some(before) = self.before.replace(now)
        {
            sheet.gauge(Metric::ClockJump, "", now.jump_since(before).as_secs_f64());
        }
        let said = (self.ask)();
        self.was_set |= said == Some(Discipline::Synchronised);
        let is_set = match (said, self.mark()) {
            (Some(Discipline::Synchronised), _) | (_, Some(Mark::Set)) => true,
            (Some(Discipline::Free), Some(Mark::NotYet)) => false,
            (Some(Discipline::Free), None) if self.was_set => false,
            _ => return,
        };
        sheet.gauge(Metric::ClockSynchronised, "", f64::from(is_set));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_what_the_wall_clock_did_beyond_the_time_that_passed() {
        let at = |wall, steady| Clocks {
            wall: Duration::from_secs(wall),
            steady: Duration::from_secs(steady),
        };
        let before = at(1000, 50);
        assert_eq!(at(1010, 60).jump_since(before), Duration::ZERO);
        assert_eq!(
            at(1_800_000_000, 60).jump_since(before),
            Duration::from_secs(1_799_998_990)
        );
        assert_eq!(at(400, 60).jump_since(before), Duration::from_secs(610), "back");
        // A box that slept: both go on.
        assert_eq!(at(8210, 7260).jump_since(before), Duration::ZERO);
    }
}
