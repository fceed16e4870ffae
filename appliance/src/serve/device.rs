//! Which of the machine's watchdogs is fed, if any.
//!
//! One that nobody named is fed only where somebody starts Larder anew when it ends: a watchdog that is opened resets
//! the machine of whoever tries Larder in a shell and kills it there. Must not know: what it is fed for.

use std::path::{Path, PathBuf};

use crate::{
    config::Limit,
    source::chain,
    watchdog::{Choice, Device, Dials, Facts, Start},
};

/// Below the root.
const USUAL: &str = "dev/watchdog";

/// Whether somebody starts the process anew when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Supervised {
    Yes,
    No,
}

/// The device that is to be fed from now on, and what the last start of the machine is known to have been.
pub(super) fn open(
    wanted: Option<&Limit<PathBuf>>,
    supervised: Supervised,
    root: &Path,
) -> (Option<Device>, Start) {
    let usual = root.join(USUAL);
    let (path, choice) = match wanted {
        None => return (None, Start::Unknown),
        Some(Limit::At(path)) => (path, Choice::Named),
        Some(Limit::Auto) => (&usual, Choice::Found),
    };
    let facts = Facts::read(root, path);
    let last_start = facts.last_start;
    if choice == Choice::Found && supervised == Supervised::No {
        return (None, last_start);
    }
    let name = path.display();
    let device = match Device::open(path, facts, choice, Dials::default()) {
        Ok(device) => {
            let Facts {
                identity,
                timeout,
                pretimeout,
                ..
            } = &device.facts;
            tracing::info!(device = %name, identity, ?timeout, ?pretimeout, "the machine's watchdog is fed");
            Some(device)
        }
        Err(error) if choice == Choice::Named => {
            tracing::warn!(device = %name, error = %chain(&error), "the machine's watchdog is not fed");
            None
        }
        // Most machines have none, most users may not use it, and a service manager may have it.
        Err(error) => {
            tracing::debug!(device = %name, error = %chain(&error), "the machine's watchdog is not fed");
            None
        }
    };
    (device, last_start)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_what_somebody_named_or_supervises_is_opened() {
        // A stand-in, never the real one.
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("sys/class/watchdog/watchdog0");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("bootstatus"), "32\n").expect("a file");
        let path = root.path().join("watchdog");
        fs::write(&path, "").expect("a file");
        fs::create_dir(root.path().join("dev")).expect("a folder");
        fs::write(root.path().join(USUAL), "").expect("a file");
        let by = |supervised, wanted: Option<Limit<PathBuf>>| {
            let (device, start) = open(wanted.as_ref(), supervised, root.path());
            (device.is_some(), start)
        };
        let opened = |wanted| by(Supervised::No, wanted);
        assert_eq!(opened(Some(Limit::At(path))), (true, Start::ByWatchdog));
        assert_eq!(opened(None), (false, Start::Unknown), "switched off");
        assert_eq!(
            opened(Some(Limit::Auto)),
            (false, Start::ByWatchdog),
            "nobody starts it anew"
        );
        assert_eq!(by(Supervised::Yes, Some(Limit::Auto)), (true, Start::ByWatchdog));
        let missing = root.path().join("watchdog9");
        assert_eq!(opened(Some(Limit::At(missing))), (false, Start::Unknown));
    }
}
