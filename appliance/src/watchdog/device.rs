//! The machine's own watchdog: it resets the machine when nobody writes to it for its timeout.
//!
//! It is fed by writing a byte; a `V` before it is closed tells it that the end is in order. What it is and says is read
//! from `/sys/class/watchdog`. It is asked to wait for a minute, and to warn before: a driver that cannot keeps its own
//! time. Promises: one that could not be let go again, or would bite before it can be
//! fed, is not touched, unless a person named it; a process that ends without a word leaves it to bite. Must not know:
//! when it is to be fed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::fd::{AsFd as _, BorrowedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use super::guard::EVERY;
use crate::kernel::watchdog::{set_pretimeout, set_timeout};

/// Says that the end is in order.
const MAGIC: &[u8] = b"V";
/// Anything else is food.
const FOOD: &[u8] = b"\0";

/// Of the status at the start: the machine was reset by its watchdog.
const CARD_RESET: u32 = 0x20;

/// One that bites sooner cannot be fed in time on a busy box.
const SHORTEST: Duration = Duration::from_secs(EVERY.as_secs() * 4);

/// How long it is to wait, the first that it can: an orderly restart after the runtime hung takes some 15 s, a box that
/// has swapped itself to death deserves a moment more, and the small boards' watchdogs can wait for 16 s at most.
const TIMEOUTS: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(30),
    Duration::from_secs(15),
];
/// So long before its time is over the kernel is to say where it hangs, where the driver can.
const WARNING: Duration = Duration::from_secs(5);

/// How the times of a device are set.
#[derive(Clone, Copy)]
pub struct Dials {
    timeout: Set,
    pretimeout: Set,
}

type Set = fn(BorrowedFd<'_>, Duration) -> io::Result<Duration>;

impl Default for Dials {
    fn default() -> Self {
        Self {
            timeout: set_timeout,
            pretimeout: set_pretimeout,
        }
    }
}

/// What a device says of itself. What it does not say is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub identity: Option<String>,
    pub timeout: Option<Duration>,
    pub pretimeout: Option<Duration>,
    pub last_start: Start,
    pub closing: Closing,
}

/// Why the machine started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    #[default]
    Unknown,
    Ordinary,
    ByWatchdog,
}

/// Whether it can be let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    #[default]
    Possible,
    /// Whoever has opened it must feed it for ever.
    Never,
}

/// Whether a person named the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Named,
    Found,
}

/// A device that is not fed.
#[derive(Debug, thiserror::Error)]
pub enum Unfed {
    #[error(
        "it could not be let go again when Larder is stopped (nowayout); name it in `watchdog.device` to use it"
    )]
    NoWayOut,
    #[error("it resets the machine after {0:?} already")]
    TooShort(Duration),
    #[error("open {path}")]
    Open { path: PathBuf, source: io::Error },
}

/// A device that is being fed.
#[derive(Debug)]
pub struct Device {
    file: File,
    path: PathBuf,
    pub facts: Facts,
}

impl Facts {
    /// What a device says, below `root`, which is `/` or a tree like it.
    pub fn read(root: &Path, device: &Path) -> Self {
        // The first has a second name.
        let name = match device.file_name().and_then(|name| name.to_str()) {
            Some("watchdog") | None => "watchdog0",
            Some(name) => name,
        };
        let folder = root.join("sys/class/watchdog").join(name);
        let text = |attribute: &str| {
            let text = fs::read_to_string(folder.join(attribute)).ok()?;
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let number = |attribute: &str| text(attribute)?.parse::<u32>().ok();
        let seconds = |attribute| {
            let seconds = number(attribute).filter(|seconds| *seconds > 0)?;
            Some(Duration::from_secs(seconds.into()))
        };
        Self {
            identity: text("identity"),
            timeout: seconds("timeout"),
            pretimeout: seconds("pretimeout"),
            last_start: match number("bootstatus") {
                None => Start::Unknown,
                Some(status) if status & CARD_RESET != 0 => Start::ByWatchdog,
                Some(_) => Start::Ordinary,
            },
            closing: match number("nowayout") {
                Some(1..) => Closing::Never,
                Some(0) | None => Closing::Possible,
            },
        }
    }

    fn may_be_opened(&self, choice: Choice) -> Result<(), Unfed> {
        if self.closing == Closing::Never && choice == Choice::Found {
            return Err(Unfed::NoWayOut);
        }
        match self.timeout {
            // If it cannot wait for longer either, it could not be let go again.
            Some(timeout) if timeout < SHORTEST && self.closing == Closing::Never => {
                Err(Unfed::TooShort(timeout))
            }
            _ => Ok(()),
        }
    }
}

impl Device {
    /// Opens it: from now on it has to be fed.
    pub fn open(path: &Path, facts: Facts, choice: Choice, dials: Dials) -> Result<Self, Unfed> {
        facts.may_be_opened(choice)?;
        // Not created: a file in its place would be fed in vain.
        let file = OpenOptions::new().write(true).open(path);
        let file = file.map_err(|source| Unfed::Open {
            path: path.to_owned(),
            source,
        })?;
        let mut device = Self {
            file,
            path: path.to_owned(),
            facts,
        };
        device.set_times(dials);
        match device.facts.timeout {
            Some(timeout) if timeout < SHORTEST => {
                let _ = device.release();
                Err(Unfed::TooShort(timeout))
            }
            _ => Ok(device),
        }
    }

    fn set_times(&mut self, dials: Dials) {
        // Whoever has it wait for longer has a reason.
        let own = self.facts.timeout.unwrap_or_default();
        let set = TIMEOUTS
            .iter()
            .filter(|timeout| **timeout > own)
            .find_map(|timeout| (dials.timeout)(self.file.as_fd(), *timeout).ok());
        self.facts.timeout = set.or(self.facts.timeout);
        let warns = self.facts.timeout.is_some_and(|timeout| timeout > 2 * WARNING);
        if warns && let Ok(before) = (dials.pretimeout)(self.file.as_fd(), WARNING) {
            self.facts.pretimeout = Some(before);
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It does not bite for another timeout.
    pub fn feed(&mut self) {
        // One that cannot be fed bites, and that is what it is for.
        let _ = self.file.write(FOOD);
    }

    /// Lets it go. Without this it bites when nobody opens it anew in time.
    pub fn release(mut self) -> io::Result<()> {
        self.file.write_all(MAGIC)
    }
}

#[cfg(test)]
#[path = "tests/device.rs"]
mod tests;
