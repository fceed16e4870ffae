//! Processes of ours: their memory.

use super::files::Files;

/// What a process holds in memory, in bytes. `None`: it has gone.
pub(super) fn resident(files: &mut Files, id: u32) -> Option<u64> {
    let pages: u64 = {
        let text = files.text(format_args!("proc/{id}/statm"))?;
        text.split_ascii_whitespace().nth(1)?.parse().ok()?
    };
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_process_is_in_memory_while_it_is_there() {
        let mut files = Files::below(Path::new("/"));
        let own = resident(&mut files, std::process::id()).expect("it is there");
        let status = std::fs::read_to_string("/proc/self/status").expect("read");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("told");
        let told: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(own.abs_diff(told << 10) < 4 << 20, "{own} and {told} KiB");
        assert_eq!(resident(&mut files, u32::MAX), None);
    }
}
