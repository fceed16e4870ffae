//! How things are read: one probe for each group of them.
//!
//! | file | what |
//! |---|---|
//! | [`cpu`], [`memory`], [`pressure`], [`clock`] | what the kernel says without asking any device |
//! | [`filesystem`], [`devices`], [`health`] | the disk: its room, its work, and what it says of its end |
//! | [`network`], [`ways`] | interfaces, and whether there is a way out |
//! | [`temperature`] | sensors |
//! | [`house`], [`process`] | the mirror's own figures, and its processes |
//! | [`files`], [`share`] | the kernel's small files; parts of a whole, from counters |
//!
//! The kernel's files are read here, and not by a library: below a root that a test can choose, through one buffer for
//! each probe. Libraries read them below `/` only, and make lists and names anew each time, which is memory when there
//! is none.
//!
//! # Promises
//! 1. What is not there, is empty, or is no number is absent: never 0, and never a reason to panic.
//! 2. Looking at the host takes no memory, after the first time.
//! 3. How many things are looked at is bounded.
//!
//! Must not know: what is believable, how often it is asked.

mod clock;
mod cpu;
mod devices;
mod files;
mod filesystem;
mod health;
mod house;
mod memory;
mod network;
mod pressure;
mod process;
mod share;
mod temperature;
mod ways;

use std::{path::Path, sync::Arc, time::Duration};

use super::{Sheet, figures::House};

/// Things that are read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    Cpu,
    Memory,
    Pressure,
    Clock,
    Filesystem,
    Devices,
    Network,
    Temperature,
    House,
}

/// Whether reading can wait for something that never comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The kernel answers out of its own memory.
    Prompt,
    /// It asks a device, a driver or a disk.
    Waits,
}

impl Group {
    /// As people read it. No metric is called so.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pressure => "pressure",
            Self::Clock => "clock",
            Self::Filesystem => "filesystem",
            Self::Devices => "devices",
            Self::Network => "network",
            Self::Temperature => "sensors",
            Self::House => "house",
        }
    }

    /// Rounds from one look to the next.
    pub const fn every(self) -> u64 {
        match self {
            // Sensors hang on slow buses, and nothing gets hot within half a minute.
            Self::Temperature => 3,
            _ => 1,
        }
    }

    /// Whether it is looked at in a round; in the first one everything is.
    pub(super) const fn is_due(self, round: u64) -> bool {
        round % self.every() == 1 % self.every()
    }

    pub const fn patience(self) -> Patience {
        match self {
            Self::Cpu | Self::Memory | Self::Pressure | Self::Clock => Patience::Prompt,
            Self::Filesystem | Self::Devices | Self::Network | Self::Temperature | Self::House => {
                Patience::Waits
            }
        }
    }
}

/// Reads a group of things.
pub trait Probe: Send {
    fn group(&self) -> Group;

    /// Reads what is there. `at` is when the look began, on a clock that nobody sets.
    fn read(&mut self, at: Duration, sheet: &mut Sheet);
}

/// All that there is to read on the host. `root` is `/`, or a tree of files like it.
pub fn host(root: &Path, data_dir: &Path) -> Vec<Box<dyn Probe>> {
    vec![
        Box::new(cpu::Cpu::new(root)),
        Box::new(memory::Memory::new(root)),
        Box::new(pressure::Pressure::new(root)),
        Box::new(clock::WallClock::new(root)),
        Box::new(filesystem::Filesystem::new(root, data_dir)),
        Box::new(devices::Devices::new(root)),
        Box::new(network::Network::new(root)),
        Box::new(temperature::Temperature::new(root)),
    ]
}

/// The mirror itself.
pub fn mirror(root: &Path, house: Arc<dyn House>) -> Box<dyn Probe> {
    Box::new(house::Mirror::new(root, house))
}

#[cfg(test)]
mod tests;
