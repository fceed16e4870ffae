//! Who is to blame: the process that takes most of what there is too little of.
//!
//! Looked for only when somebody is to be told. Promises: bounded in processes, in time, and in memory, as it is when
//! there is little of it that this is asked; a process that takes no large part of it is not blamed. It waits for half a
//! second where a rate is asked for. Must not know: what there is to be told.

use std::{
    collections::BTreeMap,
    fmt, fs,
    thread::sleep,
    time::{Duration, Instant},
};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::rule::Metric;

/// Processes that are looked at, in the order of their numbers.
const MOST: usize = 4096;
/// How many of them are in memory at a time.
const AT_A_TIME: usize = 128;
/// How long one look at all of them may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks, where a rate is asked for.
const BETWEEN: Duration = Duration::from_millis(500);
/// Of a name.
const NAME: usize = 32;

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scarce {
    Memory,
    Processors,
    Disk,
}

impl Scarce {
    /// What somebody is to blame for who makes a metric bad.
    pub const fn by(metric: Metric) -> Option<Self> {
        match metric {
            Metric::MemoryUsed
            | Metric::MemoryAvailable
            | Metric::SwapUsed
            | Metric::PressureMemory
            | Metric::PressureMemoryFull
            | Metric::OomKills => Some(Self::Memory),
            Metric::CpuBusy | Metric::Load | Metric::PressureCpu => Some(Self::Processors),
            Metric::DiskRead
            | Metric::DiskWritten
            | Metric::DiskBusy
            | Metric::DiskLatency
            | Metric::PressureIo
            | Metric::PressureIoFull => Some(Self::Disk),
            _ => None,
        }
    }

    /// Who takes less than this is not to blame: bytes, milliseconds in a second, bytes in a second. `None`: it is not
    /// known.
    fn least(self) -> Option<u64> {
        match self {
            Self::Memory => total_memory().map(|total| total / 20),
            Self::Processors => Some(200),
            Self::Disk => Some(1 << 20),
        }
    }
}

fn total_memory() -> Option<u64> {
    let mut system = System::new().ok()?;
    system.refresh_memory();
    Some(system.total_memory()).filter(|total| *total > 0)
}

/// A process, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Culprit {
    pub name: String,
    pub id: u32,
    /// Bytes of memory; milliseconds on processors in a second; bytes to and from disks in a second.
    pub takes: u64,
    pub of: Scarce,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, takes, of } = self;
        let mebibytes = *takes as f64 / f64::from(1 << 20);
        match of {
            Scarce::Memory => write!(f, "{name} (process {id}, {mebibytes:.0} MiB of memory)"),
            Scarce::Processors => {
                let processors = *takes as f64 / 1000.0;
                write!(f, "{name} (process {id}, {processors:.1} processors)")
            }
            Scarce::Disk => write!(f, "{name} (process {id}, {mebibytes:.1} MiB/s of disk)"),
        }
    }
}

/// Looks for it among all processes. Blocks.
pub fn culprit(of: Scarce) -> Option<Culprit> {
    // Of others' processes only root is told what they read and write; ours alone would be blamed for everything.
    if of == Scarce::Disk && fs::read("/proc/1/io").is_err() {
        return None;
    }
    let names = fs::read_dir("/proc").ok()?;
    let ids = names.filter_map(|name| name.ok()?.file_name().to_str()?.parse().ok());
    let ids: Vec<u32> = ids.take(MOST).collect();
    among(&ids, of)
}

fn among(ids: &[u32], of: Scarce) -> Option<Culprit> {
    let least = of.least()?;
    let found = match of {
        Scarce::Memory => most(ids, of, |process| Some(process.memory())),
        Scarce::Processors => fastest(ids, of, Process::accumulated_cpu_time),
        Scarce::Disk => fastest(ids, of, |process| {
            let usage = process.disk_usage();
            usage.total_read_bytes.saturating_add(usage.total_written_bytes)
        }),
    };
    found.filter(|culprit| culprit.takes >= least)
}

/// The process whose counter has grown most between two looks, by the second.
fn fastest(ids: &[u32], of: Scarce, count: impl Fn(&Process) -> u64) -> Option<Culprit> {
    let mut before = BTreeMap::new();
    let began = Instant::now();
    look(ids, of, |id, process| {
        before.insert(id, (count(process), began.elapsed()));
    });
    sleep(BETWEEN);
    let known: Vec<u32> = before.keys().copied().collect();
    most(&known, of, |process| {
        let (earlier, at) = before.get(&process.pid().as_u32())?;
        let passed = began.elapsed().saturating_sub(*at).as_millis().max(1);
        // A smaller one belongs to another process with the same number.
        let grown = count(process).checked_sub(*earlier)?;
        u64::try_from(u128::from(grown) * 1000 / passed).ok()
    })
}

fn most(ids: &[u32], of: Scarce, mut takes: impl FnMut(&Process) -> Option<u64>) -> Option<Culprit> {
    let mut worst: Option<Culprit> = None;
    look(ids, of, |id, process| {
        let Some(takes) = takes(process) else { return };
        if worst.as_ref().is_none_or(|worst| takes > worst.takes) {
            worst = Some(Culprit {
                name: name(process),
                id,
                takes,
                of,
            });
        }
    });
    worst
}

/// Shows each process, as far as there is time.
fn look(ids: &[u32], of: Scarce, mut show: impl FnMut(u32, &Process)) {
    let began = Instant::now();
    let kind = ProcessRefreshKind::nothing().without_tasks();
    let kind = match of {
        Scarce::Memory => kind.with_memory(),
        Scarce::Processors => kind.with_cpu(),
        Scarce::Disk => kind.with_disk_usage(),
    };
    for ids in ids.chunks(AT_A_TIME) {
        if began.elapsed() >= PATIENCE {
            return;
        }
        let pids: Vec<Pid> = ids.iter().copied().map(Pid::from_u32).collect();
        // Anew for each of them, so that no more than those are in memory.
        let Ok(mut system) = System::new() else { return };
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
        for (id, process) in system.processes() {
            show(id.as_u32(), process);
        }
    }
}

/// A process may call itself anything.
fn name(process: &Process) -> String {
    let name = process.name().to_string_lossy();
    let plain = name.chars().filter(|character| !character.is_control());
    plain.take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    struct Running(Child);

    impl Running {
        fn shell(script: &str) -> Self {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", script])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            Self(shell.spawn().expect("started"))
        }

        fn id(&self) -> u32 {
            self.0.id()
        }

        /// Looks until somebody is found: a process that has just begun takes nothing yet.
        fn found(&self, of: Scarce, others: &[u32]) -> Culprit {
            let ids: Vec<u32> = others.iter().copied().chain([self.id()]).collect();
            let found = (0..3000).find_map(|_| {
                sleep(Duration::from_millis(20));
                among(&ids, of)
            });
            found.expect("found")
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn whoever_keeps_a_processor_busy_is_found() {
        let idle = Running::shell("read line");
        let busy = Running::shell("while :; do :; done");
        let culprit = busy.found(Scarce::Processors, &[idle.id(), u32::MAX]);
        assert_eq!((culprit.id, culprit.name.as_str()), (busy.id(), "sh"));
        assert!((200..=1500).contains(&culprit.takes), "{culprit}");
        assert_eq!(
            among(&[idle.id()], Scarce::Processors),
            None,
            "nobody in particular"
        );
    }

    #[test]
    fn whoever_holds_memory_is_found() {
        let small = Running::shell("read line");
        // It has read everything into its memory before it writes the first byte, which nobody takes.
        let large = total_memory().expect("told") / 16;
        let holds = Running::shell(&format!(
            "exec dd if=/dev/zero bs={large} count=1 iflag=fullblock"
        ));
        let culprit = holds.found(Scarce::Memory, &[small.id()]);
        assert_eq!((culprit.id, culprit.name.as_str()), (holds.id(), "dd"));
        assert!(culprit.takes >= large / 2, "{culprit}");
        assert_eq!(among(&[small.id()], Scarce::Memory), None, "nobody in particular");
    }

    #[test]
    fn whoever_writes_is_found_where_that_is_told() {
        // Also in a box where root is not told everything.
        if fs::read("/proc/1/io").is_err() {
            assert_eq!(culprit(Scarce::Disk), None);
        }
        // Beside this program: folders for what is temporary are not always on a disk.
        let here = std::env::current_exe().expect("a program");
        let folder = tempfile::tempdir_in(here.parent().expect("a folder")).expect("a folder");
        let path = folder.path().join("file");
        let script = format!(
            "while :; do dd if=/dev/zero of={} bs=4M count=2 conv=notrunc oflag=dsync; done",
            path.display()
        );
        let idle = Running::shell("read line");
        // What its children wrote is its own once they have ended.
        let writes = Running::shell(&script);
        let culprit = writes.found(Scarce::Disk, &[idle.id()]);
        assert_eq!(culprit.id, writes.id());
        assert!(culprit.takes >= 1 << 20, "{culprit}");
    }

    #[test]
    fn all_processes_are_looked_through_in_time() {
        let began = Instant::now();
        let _ = culprit(Scarce::Processors);
        assert!(began.elapsed() < Duration::from_secs(8));
    }

    #[test]
    fn it_is_told_in_words() {
        let culprit = |takes, of| {
            let name = "gitlab-runner".to_owned();
            Culprit {
                name,
                id: 812,
                takes,
                of,
            }
            .to_string()
        };
        assert_eq!(
            culprit(1 << 30, Scarce::Memory),
            "gitlab-runner (process 812, 1024 MiB of memory)"
        );
        assert_eq!(
            culprit(1849, Scarce::Processors),
            "gitlab-runner (process 812, 1.8 processors)"
        );
        assert_eq!(
            culprit(3 << 19, Scarce::Disk),
            "gitlab-runner (process 812, 1.5 MiB/s of disk)"
        );
        assert_eq!(Scarce::by(Metric::PressureIo), Some(Scarce::Disk));
        assert_eq!(Scarce::by(Metric::UpstreamUp), None);
    }
}
