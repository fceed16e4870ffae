//! Disks that are too small: mounted for a test and gone after it.
//!
//! Promises: unmounted when dropped; a test process that is killed leaves at most an empty mount behind in
//! the temporary folder. Needs root.
//! Must not know: what is stored on them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A mounted file system.
pub struct Disk {
    folder: tempfile::TempDir,
    mount: PathBuf,
}

/// Room and inodes left.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    pub bytes: u64,
    pub inodes: u64,
}

impl Disk {
    /// In memory, with so many bytes and inodes.
    pub fn tmpfs(bytes: u64, inodes: u64) -> Self {
        let this = Self::prepare();
        let options = format!("size={bytes},nr_inodes={inodes},mode=0755");
        this.mount_with(&["-t", "tmpfs", "-o", &options, "tmpfs"]);
        this
    }

    /// ext4 in a file, with so many bytes and inodes.
    pub fn ext4(bytes: u64, inodes: u64) -> Self {
        let this = Self::prepare();
        let image = this.folder.path().join("disk.img");
        let file = fs::File::create(&image).unwrap_or_else(|e| panic!("create {}: {e}", image.display()));
        file.set_len(bytes).expect("a sparse file of the disk's size");
        let image = image.to_str().expect("temporary paths are text");
        let inodes = inodes.to_string();
        // Without blocks reserved for root, "full" means the same to every user.
        run(
            "mkfs.ext4",
            &["-q", "-F", "-e", "remount-ro", "-m", "0", "-N", &inodes, image],
        );
        this.mount_with(&["-o", "loop", image]);
        this
    }

    /// btrfs in a file, of so many bytes. `None`: the kernel or the tools do not have it.
    pub fn btrfs(bytes: u64) -> Option<Self> {
        let this = Self::prepare();
        let image = this.folder.path().join("disk.img");
        let file = fs::File::create(&image).unwrap_or_else(|e| panic!("create {}: {e}", image.display()));
        file.set_len(bytes).expect("a sparse file of the disk's size");
        // Data and metadata in the same blocks: otherwise the smallest is larger than any test needs.
        let made = Command::new("mkfs.btrfs")
            .args(["-q", "--mixed"])
            .arg(&image)
            .status();
        let mounted = Command::new("mount")
            .args(["-t", "btrfs", "-o", "loop"])
            .args([&image, &this.mount])
            .output();
        let done = made.is_ok_and(|status| status.success()) && mounted.is_ok_and(|it| it.status.success());
        done.then_some(this)
    }

    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// What is left for ordinary users.
    pub fn room(&self) -> Room {
        let stat = rustix::fs::statvfs(&self.mount).expect("a mounted disk has figures");
        Room {
            bytes: stat.f_bavail * stat.f_frsize,
            inodes: stat.f_favail,
        }
    }

    /// How many files it says that it can hold; zero where it does not count them.
    pub fn files(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.mount).expect("a mounted disk has figures");
        stat.f_files
    }

    /// Makes files until no inode is left.
    pub fn use_up_inodes(&self) {
        let folder = self.mount.join("ballast");
        fs::create_dir(&folder).expect("one more folder fits");
        let mut made = 0u64;
        while fs::File::create(folder.join(made.to_string())).is_ok() {
            made += 1;
        }
        assert!(
            self.room().inodes < 2,
            "the inodes are not used up: {:?}",
            self.room()
        );
    }

    /// Takes what room is left, to the last few blocks.
    pub fn use_up_bytes(&self) {
        let file = fs::File::create(self.mount.join("ballast.bin")).expect("one more file fits");
        let mut length = 0;
        let mut step = 4 << 20;
        // Allocated and not written: writing would leave what the file system promised itself.
        while step >= 4096 {
            match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), length, step) {
                Ok(()) => length += step,
                Err(_) => step /= 2,
            }
        }
        assert!(
            self.room().bytes < 65536,
            "the bytes are not used up: {:?}",
            self.room()
        );
    }

    /// Gives back what [`Disk::use_up_bytes`] took.
    pub fn give_back_bytes(&self) {
        fs::remove_file(self.mount.join("ballast.bin")).expect("the ballast is there");
    }

    /// From now on nothing can be written, as after an error of the medium.
    pub fn make_read_only(&self) {
        let mount = self.mount.to_str().expect("temporary paths are text");
        // By brute force: an orderly remount is refused while files are open for writing.
        let forced = Command::new("mount")
            .args(["-o", "remount,ro,force", mount])
            .status();
        if forced.is_ok_and(|s| s.success()) {
            return;
        }
        let device = run("findmnt", &["--noheadings", "--output", "SOURCE", mount]);
        let device = String::from_utf8_lossy(&device.stdout).trim().to_owned();
        let name = device.trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{name}/trigger_fs_error");
        fs::write(&trigger, "larder tests").unwrap_or_else(|e| panic!("write {trigger}: {e}"));
    }

    /// Gives back what [`Disk::use_up_inodes`] took.
    pub fn give_back_inodes(&self) {
        fs::remove_dir_all(self.mount.join("ballast")).expect("the ballast is there");
    }

    fn prepare() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "disks for tests are mounted, which needs root"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mount = folder.path().join("mount");
        fs::create_dir(&mount).expect("a folder to mount at");
        Self { folder, mount }
    }

    fn mount_with(&self, arguments: &[&str]) {
        let mount = self.mount.to_str().expect("temporary paths are text");
        run("mount", &[arguments, &[mount]].concat());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that was just killed may still hold a file.
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("run {program}: {e}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
