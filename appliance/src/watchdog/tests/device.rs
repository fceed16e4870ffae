//! The device, with a file in its place.

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
