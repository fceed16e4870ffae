//! A control group of the worker's own, with its own memory limit.
//!
//! Unlike an `rlimit` it counts all that the kernel holds for the worker. It takes version 2 of control groups
//! and a parent group that hands the memory controller down, which most hosts do not: then this limit is
//! missing and the others hold. The group stays when the worker ends: the next one uses it again. Must not
//! know: what is being limited.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::Outcome;

/// What the group is called, below the group of the mirror.
const NAME: &str = "larder-janitor";

/// Moves this process into a group that may use so many bytes.
pub(super) fn enter(memory: u64) -> Outcome {
    let mounts = read(Path::new("/proc/self/mountinfo"))?;
    let groups = read(Path::new("/proc/self/cgroup"))?;
    let own = own_group(&mounts, &groups).ok_or("no control groups of version 2")?;
    enter_below(&own, memory, std::process::id())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("read {}: {error}", path.display()))
}

/// The folder of this process's group, from what the kernel says of its mounts and groups.
fn own_group(mounts: &str, groups: &str) -> Option<PathBuf> {
    let mount = mounts.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        let path = place.split(' ').nth(4)?;
        (kind.split(' ').next() == Some("cgroup2")).then_some(path)
    })?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(mount).join(group))
}

fn enter_below(own: &Path, memory: u64, process: u32) -> Outcome {
    let offered = read(&own.join("cgroup.subtree_control"))?;
    if !offered
        .split_whitespace()
        .any(|controller| controller == "memory")
    {
        return Err("the group above hands no memory controller down".into());
    }
    let group = own.join(NAME);
    match fs::create_dir(&group) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(format!("create {}: {error}", group.display()));
        }
        _ => {}
    }
    let set = |file: &str, value: String| {
        fs::write(group.join(file), value).map_err(|error| format!("write {file}: {error}"))
    };
    set("memory.max", memory.to_string())?;
    // Not on kernels without swap.
    let _ = set("memory.swap.max", "0".into());
    set("cgroup.procs", process.to_string())?;
    Ok(format!("{} KiB in {}", memory >> 10, group.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 1 0:22 / /sys rw shared:7 - sysfs sysfs rw
31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn the_group_of_a_process_is_found() {
        let own = own_group(MOUNTS, "1:name=x:/y\n0::/system.slice/larder.service\n");
        assert_eq!(own, Some("/sys/fs/cgroup/system.slice/larder.service".into()));
        assert_eq!(own_group(MOUNTS, "4:memory:/docker\n"), None);
        assert_eq!(
            own_group("24 1 0:22 / /sys rw - sysfs sysfs rw\n", "0::/\n"),
            None
        );
    }

    #[test]
    fn a_group_is_made_where_the_controller_is_handed_down() {
        let own = tempfile::tempdir().expect("folder");
        let offered = own.path().join("cgroup.subtree_control");
        fs::write(&offered, "cpu io").expect("written");
        let refused = enter_below(own.path(), 64 << 20, 42).expect_err("no memory controller");
        assert!(refused.contains("no memory controller"), "{refused}");
        assert!(!own.path().join(NAME).exists(), "nothing is left behind");

        fs::write(&offered, "cpu memory").expect("written");
        for process in [42, 43] {
            enter_below(own.path(), 64 << 20, process).expect("entered");
            let group = own.path().join(NAME);
            let told = |file| fs::read_to_string(group.join(file)).expect("read");
            assert_eq!(told("memory.max"), "67108864");
            assert_eq!(told("cgroup.procs"), process.to_string());
        }
    }
}
