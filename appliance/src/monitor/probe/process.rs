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
        assert!((1 << 20..1 << 33).contains(&own), "{own}");
        assert_eq!(resident(&mut files, u32::MAX), None);
    }
}
