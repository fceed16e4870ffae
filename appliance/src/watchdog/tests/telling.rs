//! What is said, written and done when a part hangs.

use std::{
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use crate::{
    clock::Clock,
    watchdog::{
        Acts as _, Choice, Chores, Device, Dials, Facts, Footing, Keeper, Late, Manager, Memory, Part,
        Scribe, Silence, Step, What,
    },
};

#[derive(Debug, PartialEq)]
enum Done {
    Killed,
    Stands(Footing),
    Ended,
    LastResort,
}

struct Bed {
    folder: tempfile::TempDir,
    done: mpsc::Receiver<Done>,
    doing: mpsc::Sender<Done>,
    clock: Clock,
}

impl Bed {
    fn new() -> Self {
        let (doing, done) = mpsc::channel();
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            done,
            doing,
            clock: Clock::starting_at(Duration::from_secs(1_800_000_000)),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("watchdog")
    }

    fn scribe(&self, boot: &str, path: &Path, manager: Option<Arc<Manager>>) -> Scribe {
        let does = |what: fn() -> Done| {
            let doing = self.doing.clone();
            move || {
                let _ = doing.send(what());
            }
        };
        let stands = self.doing.clone();
        let chores = Chores {
            clock: self.clock.clone(),
            memory: Memory::open(path.to_owned()).0,
            manager,
            kill_worker: Box::new(does(|| Done::Killed)),
            stands: Box::new(move |footing| {
                let _ = stands.send(Done::Stands(footing));
            }),
            last_resort: Box::new(does(|| Done::LastResort)),
        };
        Scribe::start(chores, boot.to_owned()).expect("a thread")
    }

    fn keeper(&self, scribe: &Scribe, manager: Option<Arc<Manager>>) -> Keeper {
        let doing = self.doing.clone();
        Keeper {
            scribe: scribe.clone(),
            manager,
            device: None,
            end: Box::new(move || {
                let _ = doing.send(Done::Ended);
            }),
            told: None,
        }
    }

    /// Waits until the file says so: the write follows the deed.
    fn written(&self, resets: usize, late: &[Part]) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let is_so = || {
            let (memory, _) = Memory::open(self.path());
            let history = memory.history();
            let known = history.late().iter().map(|late| late.part.as_str());
            history.resets().len() == resets && known.eq(late.iter().map(|part| part.name()))
        };
        while !is_so() {
            assert!(Instant::now() < deadline, "it is not written");
            std::thread::yield_now();
        }
    }

    fn next(&self) -> Done {
        self.done
            .recv_timeout(Duration::from_secs(30))
            .expect("it does something")
    }
}

fn silence(part: Part) -> Silence {
    Silence {
        part,
        lasts: part.deadline(),
    }
}

/// A manager, and what it hears.
fn manager(name: &str) -> (Arc<Manager>, UnixDatagram) {
    let name = format!("larder-{name}-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let listener = UnixDatagram::bind_addr(&address).expect("a socket");
    listener
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("set");
    let variable = |key: &str| match key {
        "NOTIFY_SOCKET" => Some(format!("@{name}").into()),
        "WATCHDOG_USEC" => Some("10000000".into()),
        _ => None,
    };
    let manager = Manager::find(variable, 1).expect("a socket").expect("a manager");
    (Arc::new(manager), listener)
}

fn heard(listener: &UnixDatagram) -> String {
    let mut words = [0; 200];
    let length = listener.recv(&mut words).expect("a word");
    String::from_utf8_lossy(&words[..length]).into_owned()
}

#[test]
fn a_restart_is_written_down_before_the_process_ends() {
    let bed = Bed::new();
    let (manager, listener) = manager("restart");
    let scribe = bed.scribe("boot", &bed.path(), Some(manager.clone()));
    bed.keeper(&scribe, Some(manager))
        .act(Step::Restart(silence(Part::Runtime)));
    assert_eq!(bed.next(), Done::Ended);
    let (memory, _) = Memory::open(bed.path());
    let [reset] = memory.history().resets() else {
        panic!("{memory:?}")
    };
    assert_eq!(reset.late, [Late::from(silence(Part::Runtime))]);
    assert_eq!(
        reset.to_string(),
        "the process was started anew: runtime made no progress for 8 s"
    );
    assert_eq!(heard(&listener), "STATUS=runtime makes no progress for 8 s");
    // Here the process has not ended, whatever was done for it.
    assert_eq!(bed.next(), Done::LastResort);
}

#[test]
fn the_process_ends_though_nothing_can_be_written() {
    let bed = Bed::new();
    let scribe = bed.scribe("boot", Path::new("/proc/nowhere/watchdog"), None);
    // As long as this chore takes, the scribe does nothing else.
    let (_hangs, hanging) = mpsc::channel::<()>();
    let hung = {
        let chores = Chores {
            clock: bed.clock.clone(),
            memory: Memory::open("/proc/nowhere/watchdog".into()).0,
            manager: None,
            kill_worker: Box::new(move || {
                // Until the test ends.
                let _ = hanging.recv();
            }),
            stands: Box::new(|_| {}),
            last_resort: Box::new(|| {}),
        };
        Scribe::start(chores, "boot".to_owned()).expect("a thread")
    };
    for scribe in [scribe, hung] {
        scribe.tell(Step::KillWorker(silence(Part::Collector)));
        let began = Instant::now();
        bed.keeper(&scribe, None)
            .act(Step::Restart(silence(Part::Runtime)));
        while bed.next() != Done::Ended {}
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
}

#[test]
fn a_part_that_hangs_is_told_and_its_worker_killed() {
    let bed = Bed::new();
    let (manager, listener) = manager("late");
    let scribe = bed.scribe("boot", &bed.path(), Some(manager));
    scribe.tell(Step::Tell(silence(Part::Sampler)));
    assert_eq!(heard(&listener), "STATUS=sampler makes no progress for 180 s");
    scribe.tell(Step::KillWorker(silence(Part::Collector)));
    assert_eq!(bed.next(), Done::Killed);
    assert_eq!(heard(&listener), "STATUS=collector makes no progress for 600 s");
    scribe.tell(Step::Recovered(Part::Sampler));
    assert_eq!(
        heard(&listener),
        "STATUS=collector makes no progress for 600 s",
        "one of two"
    );
    // Whoever is reset next knows who was late.
    bed.written(0, &[Part::Collector]);
    assert_eq!(scribe.past().resets, []);
    let next = bed.scribe("boot-2", &bed.path(), None);
    next.machine_was_reset();
    next.machine_was_reset();
    next.tell(Step::KillWorker(silence(Part::Inspection)));
    assert_eq!(bed.next(), Done::Killed);
    let resets = next.past().resets;
    assert_eq!(resets.len(), 1, "{resets:?}");
    assert_eq!(resets[0].what, What::Machine);
    assert_eq!(resets[0].late, [Late::from(silence(Part::Collector))]);
    drop(scribe);
}

#[test]
fn a_manager_is_told_when_it_is_over() {
    let bed = Bed::new();
    let (manager, listener) = manager("over");
    let scribe = bed.scribe("boot", &bed.path(), Some(manager));
    scribe.tell(Step::Tell(silence(Part::Index)));
    assert_eq!(heard(&listener), "STATUS=index makes no progress for 300 s");
    scribe.tell(Step::Recovered(Part::Index));
    assert_eq!(heard(&listener), "STATUS=serving");
    scribe.machine_was_reset();
    scribe.tell(Step::KillWorker(silence(Part::Inspection)));
    assert_eq!(bed.next(), Done::Killed);
    assert_eq!(
        scribe.past().resets[0].late,
        [],
        "whoever got over it is not to blame"
    );
}

#[test]
fn the_third_reset_leads_to_safe_mode_and_a_start_knows_of_it() {
    let bed = Bed::new();
    for (resets, boot) in (1..).zip(["a", "b", "c"]) {
        let scribe = bed.scribe(boot, &bed.path(), None);
        assert_eq!(scribe.footing(), Footing::Firm, "{boot}");
        bed.clock
            .not_before(crate::clock::Timestamp(bed.clock.now().0 + 1000));
        scribe.machine_was_reset();
        // What was told first is done first.
        scribe.tell(Step::KillWorker(silence(Part::Collector)));
        if boot == "c" {
            assert_eq!(bed.next(), Done::Stands(Footing::Safe));
        }
        assert_eq!(bed.next(), Done::Killed);
        bed.written(resets, &[Part::Collector]);
    }
    let scribe = bed.scribe("d", &bed.path(), None);
    assert_eq!(scribe.footing(), Footing::Safe);
    assert_eq!(
        bed.next(),
        Done::Stands(Footing::Safe),
        "whoever starts it is told"
    );
    assert_eq!(scribe.past().resets.len(), 3);
    // Six hours later it is over; it is looked at whenever something happens.
    bed.clock
        .not_before(crate::clock::Timestamp(bed.clock.now().0 + 6 * 3600));
    scribe.tell(Step::Recovered(Part::Fills));
    assert_eq!(bed.next(), Done::Stands(Footing::Firm));
}

#[test]
fn a_manager_is_fed_twice_within_its_patience() {
    let bed = Bed::new();
    let (manager, listener) = manager("fed");
    let scribe = bed.scribe("boot", &bed.path(), None);
    let mut keeper = bed.keeper(&scribe, Some(manager));
    keeper.feed();
    keeper.feed();
    assert_eq!(heard(&listener), "WATCHDOG=1");
    listener.set_nonblocking(true).expect("set");
    assert!(listener.recv(&mut [0; 9]).is_err(), "not with each look");
    // A look before half of its patience has passed.
    keeper.told = Instant::now().checked_sub(Duration::from_millis(4100));
    keeper.feed();
    assert_eq!(heard(&listener), "WATCHDOG=1");
}

#[test]
fn a_device_is_fed_until_the_process_is_to_end_and_let_go_only_in_order() {
    let bed = Bed::new();
    let path = bed.folder.path().join("device");
    let scribe = bed.scribe("boot", &bed.path(), None);
    let keeper = || {
        std::fs::write(&path, "").expect("a file");
        let device = Device::open(&path, Facts::default(), Choice::Named, Dials::default()).expect("opened");
        let mut keeper = bed.keeper(&scribe, None);
        keeper.device = Some(device);
        keeper.feed();
        keeper.feed();
        keeper
    };
    keeper().release();
    assert_eq!(std::fs::read(&path).expect("a file"), b"\0\0V");
    let mut keeper = keeper();
    keeper.act(Step::Restart(silence(Part::Runtime)));
    assert_eq!(bed.next(), Done::Ended);
    drop(keeper);
    assert_eq!(
        std::fs::read(&path).expect("a file"),
        b"\0\0",
        "who starts in vain is reset"
    );
}
