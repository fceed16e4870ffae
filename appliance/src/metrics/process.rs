//! What the kernel says about this process.

use std::{fs, time::Duration};

/// A reading; `None` for what could not be read (no `/proc`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// In memory now, in bytes.
    pub(super) resident: Option<u64>,
    pub(super) open_files: Option<u64>,
    /// CPU time, user and system.
    pub(super) cpu: Duration,
}

pub(super) fn read() -> Process {
    Process {
        resident: fs::read_to_string("/proc/self/status")
            .ok()
            .and_then(|text| resident(&text)),
        // The folder that is being read is an open file too.
        open_files: fs::read_dir("/proc/self/fd")
            .ok()
            .map(|files| (files.count() as u64).saturating_sub(1)),
        cpu: cpu(),
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there() {
        let process = read();
        assert!(process.resident.is_some_and(|bytes| bytes > 1 << 20));
        assert!(process.open_files.is_some_and(|files| files >= 3));
        assert_eq!(resident("VmRSS:\t   12 kB\n"), Some(12 << 10));
    }
}
