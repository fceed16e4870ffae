//! What a running process costs, read from `/proc`.

use std::{fs, time::Duration};

use super::Process;

/// The kernel counts processor time in hundredths of a second on every platform Rust runs on.
const TICK: Duration = Duration::from_millis(10);

impl Process {
    /// Its resident memory in bytes.
    pub fn rss(&self) -> u64 {
        self.status_kib("VmRSS:") * 1024
    }

    /// The most it ever had resident, in bytes.
    pub fn peak_rss(&self) -> u64 {
        self.status_kib("VmHWM:") * 1024
    }

    /// Its resident memory that is not backed by files, in bytes: without the program's own pages.
    pub fn anonymous(&self) -> u64 {
        self.status_kib("RssAnon:") * 1024
    }

    /// Processor time used so far, user and system.
    pub fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        // The command name may hold spaces; the fields after its closing parenthesis do not.
        let (_, fields) = stat.rsplit_once(')').expect("a stat line names its command");
        let ticks: u32 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|f| f.parse::<u32>().expect("ticks are a number"))
            .sum();
        TICK * ticks
    }

    /// How many file descriptors it has open.
    pub fn open_files(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.id());
        fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("read {folder}: {e}"))
            .count()
    }

    fn status_kib(&self, key: &str) -> u64 {
        let status = self.read("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("no {key}"));
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse()
            .expect("a size is a number of kB")
    }

    fn read(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.id());
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {path}: {e}"))
    }
}
