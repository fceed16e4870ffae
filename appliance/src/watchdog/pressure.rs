//! Want of memory: when what can wait has to wait, before the kernel has to kill.
//!
//! The kernel says when somebody has waited for memory for 150 ms of a second (PSI); where it does not, what is free is
//! looked at. Promises: it begins at the first sign and ends when there was none for a while, or when it has lasted so
//! long that whoever waits has to have a turn; looking takes no memory.
//! Must not know: what waits.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::Builder,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
};

use super::guard::EVERY;

const STACK: usize = 256 << 10;

/// Waiting that is too much, in microseconds, and of how many. The second is for who may not have the first.
const TRIGGERS: [&str; 2] = ["some 150000 1000000\0", "some 300000 2000000\0"];

/// Without another sign for so long it is over.
const CALM: Duration = Duration::from_secs(10);

/// A box that is always short still has to make room: after so long what waits gets a turn of so long.
const MOST: Duration = Duration::from_secs(900);
const TURN: Duration = Duration::from_secs(300);

/// Of all memory, in parts of a hundred: with less left it begins, with more it can end.
const LITTLE: u64 = 4;
const ENOUGH: u64 = 8;

/// What was seen in one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Somebody waits for memory, or hardly any is left.
    Want,
    /// Neither, but not much is left.
    Unclear,
    Plenty,
}

/// Whether what can wait has to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pressure {
    #[default]
    Low,
    High,
}

/// Signs and time.
#[derive(Debug, Default)]
pub(super) struct Scale {
    pressure: Pressure,
    /// When it began, and when there was want last.
    began: Duration,
    last: Duration,
    /// No sign counts before this.
    turn: Duration,
}

impl Scale {
    /// Takes a sign; says how it is now if that has changed. `now` never goes back.
    pub(super) fn weigh(&mut self, sign: Sign, now: Duration) -> Option<Pressure> {
        if sign == Sign::Want {
            self.last = now;
        }
        let pressure = match (self.pressure, sign) {
            (Pressure::High, _) if now.saturating_sub(self.began) >= MOST => {
                self.turn = now + TURN;
                Pressure::Low
            }
            (Pressure::Low, Sign::Want) if now >= self.turn => {
                self.began = now;
                Pressure::High
            }
            (Pressure::High, Sign::Plenty) if now.saturating_sub(self.last) >= CALM => Pressure::Low,
            (before, _) => before,
        };
        let before = std::mem::replace(&mut self.pressure, pressure);
        (before != pressure).then_some(pressure)
    }
}

/// Where signs come from.
#[derive(Debug)]
pub struct Gauge {
    /// Where the kernel says it by itself.
    trigger: Option<File>,
    memory: Option<File>,
}

impl Gauge {
    /// What there is below `root`, which is `/` or a tree like it.
    pub fn open(root: &Path) -> Self {
        let path = root.join("proc/pressure/memory");
        Self {
            trigger: TRIGGERS.iter().find_map(|trigger| arm(&path, trigger).ok()),
            memory: File::open(root.join("proc/meminfo")).ok(),
        }
    }

    /// Whether there is anything to look at.
    pub fn is_blind(&self) -> bool {
        self.trigger.is_none() && self.memory.is_none()
    }

    /// Waits for a sign for so long at most, and says what there was.
    pub fn look(&mut self, patience: Duration) -> Sign {
        if self.wait(patience) {
            return Sign::Want;
        }
        let mut text = [0; 512];
        let read = |file: &File| file.read_at(&mut text, 0).ok();
        let length = self.memory.as_ref().and_then(read).unwrap_or(0);
        available(&text[..length]).map_or(Sign::Plenty, |part| match part {
            // Where the kernel says who waits, what is left says only when it can be over.
            ..LITTLE if self.trigger.is_none() => Sign::Want,
            ..ENOUGH => Sign::Unclear,
            _ => Sign::Plenty,
        })
    }

    /// Whether the kernel told of want.
    fn wait(&mut self, patience: Duration) -> bool {
        let Some(trigger) = &self.trigger else {
            std::thread::sleep(patience);
            return false;
        };
        let mut fds = [PollFd::new(trigger, PollFlags::PRI)];
        let patience = Timespec {
            tv_sec: patience.as_secs().cast_signed(),
            tv_nsec: patience.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&patience)) {
            Ok(_) if fds[0].revents().contains(PollFlags::ERR) => {
                // It tells nothing any more, and would say so without end.
                self.trigger = None;
                false
            }
            Ok(_) => fds[0].revents().contains(PollFlags::PRI),
            // A signal.
            Err(_) => false,
        }
    }
}

/// A thread that looks. It ends some time after this is dropped.
#[derive(Debug)]
pub struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Begins; `changed` is told each time that it is otherwise than before.
    pub fn start(mut gauge: Gauge, mut changed: impl FnMut(Pressure) + Send + 'static) -> io::Result<Self> {
        let ended = Arc::<AtomicBool>::default();
        let watch = Self(ended.clone());
        if gauge.is_blind() {
            return Ok(watch);
        }
        let began = Instant::now();
        let looking = move || {
            let mut scale = Scale::default();
            while !ended.load(Relaxed) {
                let sign = gauge.look(EVERY);
                if let Some(pressure) = scale.weigh(sign, began.elapsed()) {
                    changed(pressure);
                }
            }
        };
        Builder::new()
            .name("watchdog-memory".to_owned())
            .stack_size(STACK)
            .spawn(looking)?;
        Ok(watch)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn arm(path: &Path, trigger: &str) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    file.write_all(trigger.as_bytes())?;
    Ok(file)
}

/// What is left, in parts of a hundred.
fn available(meminfo: &[u8]) -> Option<u64> {
    let text = str::from_utf8(meminfo).ok()?;
    let kib = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let total = kib("MemTotal").filter(|total| *total > 0)?;
    Some(kib("MemAvailable")?.saturating_mul(100) / total)
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::mpsc};

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_begins_at_once_and_ends_when_it_was_calm_for_a_while() {
        let mut scale = Scale::default();
        assert_eq!(scale.weigh(Sign::Unclear, seconds(1)), None);
        assert_eq!(scale.weigh(Sign::Want, seconds(2)), Some(Pressure::High));
        assert_eq!(scale.weigh(Sign::Plenty, seconds(9)), None);
        assert_eq!(scale.weigh(Sign::Want, seconds(11)), None, "once more");
        assert_eq!(scale.weigh(Sign::Plenty, seconds(20)), None);
        assert_eq!(
            scale.weigh(Sign::Unclear, seconds(40)),
            None,
            "nobody waits, but hardly any is left"
        );
        assert_eq!(scale.weigh(Sign::Plenty, seconds(41)), Some(Pressure::Low));
        assert_eq!(scale.weigh(Sign::Plenty, seconds(42)), None);
    }

    #[test]
    fn who_waits_gets_a_turn() {
        let mut scale = Scale::default();
        let changes: Vec<_> = (0..2 * 3600)
            .filter_map(|now| Some((now, scale.weigh(Sign::Want, seconds(now))?)))
            .collect();
        let expected =
            (0..6).flat_map(|time| [(time * 1200, Pressure::High), (time * 1200 + 900, Pressure::Low)]);
        assert_eq!(changes, expected.collect::<Vec<_>>());
    }

    fn host(available: u64) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("proc/pressure")).expect("a folder");
        say(&root, available);
        root
    }

    fn say(root: &tempfile::TempDir, available: u64) {
        let text =
            format!("MemTotal:        1000 kB\nMemFree:          10 kB\nMemAvailable: {available:>6} kB\n");
        fs::write(root.path().join("proc/meminfo"), text).expect("a file");
    }

    #[test]
    fn where_the_kernel_does_not_say_it_what_is_left_does() {
        let look = |root: &tempfile::TempDir| Gauge::open(root.path()).look(Duration::from_millis(1));
        let root = host(39);
        assert_eq!(look(&root), Sign::Want);
        say(&root, 40);
        assert_eq!(look(&root), Sign::Unclear);
        say(&root, 80);
        assert_eq!(look(&root), Sign::Plenty);
        // Whoever is told by the kernel is not told by what is left.
        let trigger = root.path().join("proc/pressure/memory");
        fs::write(&trigger, "").expect("a file");
        say(&root, 0);
        assert_eq!(look(&root), Sign::Unclear);
        assert_eq!(fs::read_to_string(&trigger).expect("a file"), TRIGGERS[0]);
        let nowhere = Gauge::open(Path::new("/nowhere"));
        assert!(nowhere.is_blind());
    }

    #[test]
    fn who_is_to_wait_is_told_when_it_begins() {
        let root = host(10);
        let (changed, told) = mpsc::channel();
        let watch = Watch::start(Gauge::open(root.path()), move |pressure| {
            let _ = changed.send(pressure);
        })
        .expect("a thread");
        assert_eq!(told.recv_timeout(seconds(30)), Ok(Pressure::High));
        drop(watch);
        let end = told.recv_timeout(seconds(30));
        assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected), "it ends");
    }

    #[test]
    fn a_real_kernel_takes_the_trigger_or_refuses_it() {
        let mut gauge = Gauge::open(Path::new("/"));
        let had = gauge.trigger.is_some();
        gauge.look(Duration::from_millis(20));
        assert_eq!(
            gauge.trigger.is_some(),
            had,
            "it does not say at once that it is gone"
        );
    }
}
