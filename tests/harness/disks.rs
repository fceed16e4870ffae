//! Disks are as small as asked for.

use std::fs;

use tests::disk::Disk;

#[test]
fn a_tmpfs_is_full_when_it_should_be() {
    let disk = Disk::tmpfs(1 << 20, 64);
    let file = disk.path().join("file");
    let error = fs::write(&file, vec![1; 2 << 20]).expect_err("2 MiB don't fit into 1 MiB");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    fs::remove_file(file).expect("the partial file is there");
    disk.use_up_inodes();
    fs::File::create(disk.path().join("one more")).expect_err("no inode is left");
    disk.give_back_inodes();
    fs::File::create(disk.path().join("one more")).expect("inodes are back");
}

#[test]
fn an_ext4_runs_out_of_inodes_first() {
    let disk = Disk::ext4(32 << 20, 64);
    disk.use_up_inodes();
    assert!(disk.room().bytes > 1 << 20, "{:?}", disk.room());
    let error = fs::File::create(disk.path().join("one more")).expect_err("no inode is left");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
