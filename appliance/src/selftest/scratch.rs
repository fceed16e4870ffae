//! The folder where replays happen.
//!
//! Promises: it is new, so that nothing that is there already is touched; it is removed with everything in it when
//! it is dropped; there is room enough, or else it is said how much is missing. Must not know: what is replayed.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

/// How often its removal is tried: threads that are about to end may still write.
const TRIES: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(50);
/// Names that are tried for it.
const NAMES: u32 = 100;

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub bytes: u64,
    /// Nothing where the filesystem has no limit.
    pub inodes: Option<u64>,
}

impl Room {
    /// What a replay takes at most, and something for what else happens on the disk.
    pub const NEEDED: Self = Self {
        bytes: 160 << 20,
        inodes: Some(2000),
    };

    /// What there is where a folder is.
    fn of(folder: &Path) -> io::Result<Self> {
        let stat = rustix::fs::statvfs(folder)?;
        Ok(Self {
            bytes: stat.f_bavail.saturating_mul(stat.f_frsize.max(1)),
            inodes: (stat.f_files > 0).then_some(stat.f_favail),
        })
    }

    fn covers(self, needed: Self) -> bool {
        let enough = |there: Option<u64>, needed: Option<u64>| match (there, needed) {
            (Some(there), Some(needed)) => there >= needed,
            _ => true,
        };
        self.bytes >= needed.bytes && enough(self.inodes, needed.inodes)
    }
}

/// Why there is no folder for replays.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    #[error("look at the folder {folder}; name another with --folder")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("make a folder in {folder}; name another with --folder")]
    Make { folder: PathBuf, source: io::Error },
    #[error(
        "there is too little room in {folder}: {} MiB and {} inodes are free, {} MiB and {} inodes are needed; name a folder on another disk with --folder",
        .free.bytes >> 20, of(.free.inodes), .needed.bytes >> 20, of(.needed.inodes)
    )]
    Room {
        folder: PathBuf,
        free: Room,
        needed: Room,
    },
}

fn of(inodes: Option<u64>) -> String {
    inodes.map_or_else(|| "any number of".to_owned(), |inodes| inodes.to_string())
}

/// The folder.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new folder in one that is there.
    pub fn below(folder: &Path) -> Result<Self, ScratchError> {
        Self::with(folder, Room::NEEDED)
    }

    fn with(folder: &Path, needed: Room) -> Result<Self, ScratchError> {
        let unusable = |source| ScratchError::Folder {
            folder: folder.to_owned(),
            source,
        };
        let folder = fs::canonicalize(folder).map_err(unusable)?;
        let free = Room::of(&folder).map_err(unusable)?;
        if !free.covers(needed) {
            return Err(ScratchError::Room { folder, free, needed });
        }
        let mut failure = io::Error::from(io::ErrorKind::AlreadyExists);
        for number in 0..NAMES {
            let path = folder.join(format!("larder-selftest-{}-{number}", std::process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    failure = error;
                    break;
                }
            }
        }
        Err(ScratchError::Make {
            folder,
            source: failure,
        })
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it, as the drop does, and says whether it is gone.
    pub fn remove(self) -> Result<(), io::Error> {
        remove(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever wants to know asks for it.
        let _ = remove(&self.0);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..TRIES {
        last = fs::remove_dir_all(path);
        match &last {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Ok(()),
            Err(_) => sleep(BETWEEN),
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Room = Room {
        bytes: 0,
        inodes: None,
    };

    #[test]
    fn it_is_new_and_gone_afterwards_and_what_was_there_stays() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("mine"), "mine").expect("written");
        // Somebody's, by the name that it would take.
        let taken = dir
            .path()
            .join(format!("larder-selftest-{}-0", std::process::id()));
        fs::create_dir(&taken).expect("made");
        fs::write(taken.join("mine"), "mine").expect("written");
        let scratch = Scratch::with(dir.path(), NOTHING).expect("made");
        assert_ne!(scratch.path(), taken);
        let path = scratch.path().to_owned();
        fs::create_dir_all(path.join("a/b")).expect("made");
        fs::write(path.join("a/b/c"), "x").expect("written");
        drop(scratch);
        assert!(!path.exists());
        assert!(taken.join("mine").exists() && dir.path().join("mine").exists());
        let scratch = Scratch::with(dir.path(), NOTHING).expect("made");
        scratch.remove().expect("removed");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2);
    }

    #[test]
    fn too_little_room_and_no_folder_are_said() {
        let dir = tempfile::tempdir().expect("a folder");
        let needed = Room {
            bytes: u64::MAX,
            inodes: Some(7),
        };
        let error = Scratch::with(dir.path(), needed).expect_err("there is not so much");
        let text = error.to_string();
        assert!(
            text.contains("too little room") && text.contains("and 7 inodes are needed"),
            "{text}"
        );
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
        let error = Scratch::with(&dir.path().join("not-there"), NOTHING).expect_err("no folder");
        assert!(error.to_string().contains("not-there"), "{error}");
        let file = dir.path().join("file");
        fs::write(&file, "x").expect("written");
        let error = Scratch::with(&file, NOTHING).expect_err("a file");
        assert!(matches!(error, ScratchError::Make { .. }), "{error}");
        assert_eq!(fs::read(&file).expect("read"), b"x");
    }

    #[test]
    fn inodes_without_a_limit_are_enough() {
        let there = |bytes, inodes| Room { bytes, inodes };
        let needed = there(10, Some(5));
        assert!(there(10, None).covers(needed) && there(10, Some(5)).covers(needed));
        assert!(!there(9, None).covers(needed) && !there(10, Some(4)).covers(needed));
    }
}
