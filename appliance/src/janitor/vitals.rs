//! What the kernel says of a process that says nothing itself.
//!
//! Promises: reading takes two small files a thread and waits for no disk; where `/proc` does not tell all of it,
//! nothing is told. Must not know: what follows from it.

use std::{fs, path::Path, time::Duration};

/// A process at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// How long all its threads have run on a CPU so far.
    pub ran: Duration,
    pub condition: Condition,
}

/// What its threads are about. What is said of one of several is what is furthest up here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// Stopped by a signal or a debugger: it cannot run.
    Stopped,
    /// A thread runs or could, if it were given a CPU.
    Runnable,
    /// All wait: for a disk, for somebody, for nothing that will ever come.
    Waiting,
}

impl Vitals {
    /// `None`: it has gone, or the kernel does not tell.
    pub fn of_process(id: u32) -> Option<Self> {
        let threads = fs::read_dir(format!("/proc/{id}/task")).ok()?;
        threads
            // One that has ended since it was listed has done so by itself: it ran.
            .filter_map(|thread| Self::of_thread(&thread.ok()?.path()))
            .reduce(|one, other| Self {
                ran: one.ran + other.ran,
                condition: one.condition.min(other.condition),
            })
    }

    fn of_thread(folder: &Path) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
        Some(Self {
            ran: ran(&read("schedstat")?)?,
            condition: condition(&read("stat")?)?,
        })
    }
}

/// The first number of `schedstat`, in nanoseconds: time on a CPU, time waited for one, how often it was given one. All
/// three are zero where the kernel does not count.
fn ran(schedstat: &str) -> Option<Duration> {
    let ran = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
    let counts = schedstat.split_ascii_whitespace().any(|field| field != "0");
    counts.then_some(Duration::from_nanos(ran))
}

/// The state letter, which follows the name. The name is in brackets and may hold anything.
fn condition(stat: &str) -> Option<Condition> {
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(match fields.chars().next()? {
        'T' | 't' => Condition::Stopped,
        'R' => Condition::Runnable,
        _ => Condition::Waiting,
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    struct Asleep(Child);

    impl Drop for Asleep {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_process_is_told_by_what_its_threads_are_about() {
        let own = Vitals::of_process(std::process::id()).expect("it is there");
        assert_eq!(own.condition, Condition::Runnable);

        let mut child = Asleep(Command::new("sleep").arg("600").spawn().expect("started"));
        let id = child.0.id();
        let settles = |wanted: Condition| {
            let told = || Vitals::of_process(id).map(|vitals| vitals.condition);
            (0..6000).any(|_| {
                std::thread::sleep(Duration::from_millis(10));
                told() == Some(wanted)
            })
        };
        assert!(settles(Condition::Waiting), "it sleeps");
        let asleep = Vitals::of_process(id).expect("it is there");
        let process = Pid::from_raw(id.cast_signed()).expect("an id");
        kill_process(process, Signal::STOP).expect("stopped");
        assert!(settles(Condition::Stopped), "it is stopped");
        assert!(Vitals::of_process(id).is_some_and(|stopped| stopped.ran >= asleep.ran));
        child.0.kill().expect("killed");
        child.0.wait().expect("ended");
        assert_eq!(Vitals::of_process(id), None);
    }

    #[test]
    fn what_the_kernel_does_not_count_is_not_told() {
        assert_eq!(ran("120 7 3\n"), Some(Duration::from_nanos(120)));
        for young in ["0 85449 1\n", "0 0 1\n"] {
            assert_eq!(ran(young), Some(Duration::ZERO), "{young}");
        }
        for nothing in ["0 0 0\n", "", "x 1 1"] {
            assert_eq!(ran(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_name_cannot_pretend_to_be_a_state() {
        for (letter, told) in [
            ("R", Condition::Runnable),
            ("S", Condition::Waiting),
            ("D", Condition::Waiting),
            ("T", Condition::Stopped),
            ("t", Condition::Stopped),
        ] {
            let stat = format!("42 (a) R (b) T) {letter} 1 42 42 0 -1");
            assert_eq!(condition(&stat), Some(told), "{stat}");
        }
        assert_eq!(condition("42 (cut"), None);
    }
}
