//! A process with all that it started, read from `/proc`.

use std::{collections::HashMap, fs, time::Duration};

/// The kernel counts processor time in hundredths of a second on every platform Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// The processes of one server: masters and workers alike.
#[derive(Clone, Debug)]
pub struct Family {
    root: u32,
}

/// What `/proc/PID/stat` tells.
struct Stat {
    name: String,
    parent: u32,
    ticks: u32,
}

impl Family {
    /// The process `root` and its descendants, whichever there are when a figure is read.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// Processor time, user and system, of those that live.
    pub fn cpu(&self) -> Duration {
        TICK * self.members().iter().map(|(_, stat)| stat.ticks).sum()
    }

    /// Resident memory in bytes; pages that several share are counted for each.
    pub fn rss(&self) -> u64 {
        self.sum_of("status", "VmRSS:") * 1024
    }

    /// The same, with pages that several share divided among them.
    pub fn pss(&self) -> u64 {
        self.sum_of("smaps_rollup", "Pss:") * 1024
    }

    /// Of the resident memory, what is not backed by files, in bytes.
    pub fn anonymous(&self) -> u64 {
        self.sum_of("status", "RssAnon:") * 1024
    }

    pub fn threads(&self) -> u64 {
        self.sum_of("status", "Threads:")
    }

    /// Bytes that they made the disk write.
    pub fn written(&self) -> u64 {
        self.sum_of("io", "write_bytes:")
    }

    /// The number behind a word in a file of each, all together.
    fn sum_of(&self, file: &str, key: &str) -> u64 {
        let members = self.members();
        let number = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        members.iter().filter_map(|(pid, _)| number(*pid)).sum()
    }

    fn members(&self) -> Vec<(u32, Stat)> {
        let mut all: HashMap<u32, Stat> = fs::read_dir("/proc")
            .expect("processes are listed in /proc")
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Some((pid, stat(pid)?)))
            .collect();
        let mut members = Vec::new();
        let mut generation = vec![self.root];
        while !generation.is_empty() {
            let children: Vec<u32> = all
                .iter()
                .filter(|(_, stat)| generation.contains(&stat.parent))
                .map(|(pid, _)| *pid)
                .collect();
            members.extend(generation.iter().filter_map(|pid| all.remove_entry(pid)));
            generation = children;
        }
        // What only holds a namespace open is no part of the server.
        members.retain(|(_, stat)| stat.name != "unshare");
        members
    }
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses; what follows its last parenthesis does not.
    let (before, after) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some(Stat {
        name: before.split_once('(')?.1.to_owned(),
        parent: number(1)?,
        ticks: number(11)? + number(12)?,
    })
}
