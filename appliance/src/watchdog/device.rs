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
mod tests {
    use super::*;

    /// A tree like `/`, with a device that is a file.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn with(attributes: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().expect("a folder");
            let folder = root.path().join("sys/class/watchdog/watchdog0");
            fs::create_dir_all(&folder).expect("a folder");
            for (name, value) in attributes {
                fs::write(folder.join(name), format!("{value}\n")).expect("a file");
            }
            fs::write(root.path().join("watchdog"), "").expect("a file");
            Self(root)
        }

        fn device(&self) -> PathBuf {
            self.0.path().join("watchdog")
        }

        fn facts(&self) -> Facts {
            Facts::read(self.0.path(), &self.device())
        }

        fn open(&self, choice: Choice) -> Result<Device, Unfed> {
            Device::open(&self.device(), self.facts(), choice, Dials::default())
        }

        fn eaten(&self) -> Vec<u8> {
            fs::read(self.device()).expect("a file")
        }
    }

    #[test]
    fn it_is_fed_and_let_go_at_an_orderly_end_and_at_no_other() {
        let machine = Machine::with(&[("timeout", "30")]);
        let mut device = machine.open(Choice::Found).expect("opened");
        device.feed();
        device.feed();
        assert_eq!(machine.eaten(), b"\0\0");
        device.release().expect("let go");
        assert_eq!(machine.eaten(), b"\0\0V");
        let machine = Machine::with(&[]);
        let mut device = machine.open(Choice::Found).expect("opened");
        device.feed();
        drop(device);
        assert_eq!(
            machine.eaten(),
            b"\0",
            "whoever ends without a word leaves it to bite"
        );
    }

    #[test]
    fn it_says_what_it_is() {
        let machine = Machine::with(&[
            ("identity", "Broadcom BCM2835 Watchdog timer"),
            ("timeout", "15"),
            ("pretimeout", "0"),
            ("bootstatus", "32"),
            ("nowayout", "0"),
        ]);
        assert_eq!(
            machine.facts(),
            Facts {
                identity: Some("Broadcom BCM2835 Watchdog timer".to_owned()),
                timeout: Some(Duration::from_secs(15)),
                pretimeout: None,
                last_start: Start::ByWatchdog,
                closing: Closing::Possible,
            }
        );
        assert_eq!(
            Machine::with(&[("bootstatus", "8")]).facts().last_start,
            Start::Ordinary
        );
        let pretimeout = Machine::with(&[("pretimeout", "5")]).facts().pretimeout;
        assert_eq!(pretimeout, Some(Duration::from_secs(5)));
        let silent = Machine::with(&[("timeout", ""), ("bootstatus", "what?")]);
        assert_eq!(silent.facts(), Facts::default());
        let second = Facts::read(machine.0.path(), Path::new("/dev/watchdog1"));
        assert_eq!(second, Facts::default(), "it is another one");
    }

    #[test]
    fn what_could_not_be_let_go_or_bites_too_soon_is_not_touched() {
        let machine = Machine::with(&[("nowayout", "1")]);
        assert!(matches!(machine.open(Choice::Found), Err(Unfed::NoWayOut)));
        machine.open(Choice::Named).expect("a person wants it").feed();
        let machine = Machine::with(&[("timeout", "3")]);
        for choice in [Choice::Found, Choice::Named] {
            assert!(matches!(machine.open(choice), Err(Unfed::TooShort(_))));
        }
        assert_eq!(machine.eaten(), b"V", "it is let go");
        let machine = Machine::with(&[("timeout", "3"), ("nowayout", "1")]);
        assert!(matches!(machine.open(Choice::Named), Err(Unfed::TooShort(_))));
        assert_eq!(machine.eaten(), b"", "it could not be let go, and is not touched");
        let nowhere = Path::new("/nowhere/watchdog");
        let missing = Device::open(nowhere, Facts::default(), Choice::Named, Dials::default());
        assert!(matches!(missing, Err(Unfed::Open { .. })));
    }

    #[test]
    fn it_waits_for_a_minute_or_as_long_as_it_can() {
        fn refuses(_: BorrowedFd<'_>, _: Duration) -> io::Result<Duration> {
            Err(rustix::io::Errno::OPNOTSUPP.into())
        }
        fn takes(_: BorrowedFd<'_>, time: Duration) -> io::Result<Duration> {
            Ok(time)
        }
        /// As the small boards' does.
        fn at_most_sixteen(_: BorrowedFd<'_>, time: Duration) -> io::Result<Duration> {
            if time > Duration::from_secs(16) {
                return Err(rustix::io::Errno::INVAL.into());
            }
            Ok(time)
        }
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        let times = |own: &str, timeout: Set, pretimeout: Set| {
            let machine = Machine::with(&[("timeout", own)]);
            let dials = Dials { timeout, pretimeout };
            let opened = Device::open(&machine.device(), machine.facts(), Choice::Found, dials);
            opened.map(|device| (seconds(device.facts.timeout), seconds(device.facts.pretimeout)))
        };
        assert_eq!(times("30", takes, takes).expect("opened"), (Some(60), Some(5)));
        assert_eq!(times("3", takes, refuses).expect("opened"), (Some(60), None));
        for (own, set) in [("4", 15), ("16", 16)] {
            let opened = times(own, at_most_sixteen, refuses).expect("opened");
            assert_eq!(opened, (Some(set), None));
        }
        assert_eq!(times("120", takes, takes).expect("opened"), (Some(120), Some(5)));
        assert_eq!(times("30", refuses, refuses).expect("opened"), (Some(30), None));
        assert_eq!(
            times("8", refuses, takes).expect("opened"),
            (Some(8), None),
            "too short to warn"
        );
    }
}
