//! Records, demand and leases; and what of them survives on a disk.

use std::io::Write;

use super::*;
use crate::{
    cache::{Disk, tests::digest},
    oci::Algorithm,
};

const NOW: Timestamp = Timestamp(1_800_000_000);

fn later(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

fn named(number: u64) -> Digest {
    digest(&number.to_le_bytes())
}

#[test]
fn a_use_is_remembered_and_what_was_never_used_is_as_old_as_it_is() {
    let uses = Uses::new(Kind::Lru);
    uses.stored(&named(1), NOW);
    uses.used(&named(1), later(60));
    assert_eq!(uses.record(fingerprint(&named(1)), NOW).last_use(), later(60));
    assert_eq!(uses.record(fingerprint(&named(2)), NOW).last_use(), NOW);
    assert_eq!(uses.len(), 1);
}

#[test]
fn demand_is_a_use_or_a_lease_and_a_forgotten_lease_ends() {
    let uses = Arc::new(Uses::new(Kind::Lru));
    let [used, leased, released, other] = [1, 2, 3, 4].map(named);
    uses.used(&other, later(10));
    let lease = uses.lease(&leased, later(10));
    let before = uses.lease(&released, later(10));
    let watch = uses.watch();
    let demand = |digest| watch.is_in_demand(fingerprint(digest), later(20));
    assert!(!demand(&used) && demand(&leased) && demand(&released) && !demand(&other));
    uses.used(&used, later(10));
    drop(before);
    assert!(demand(&used), "since somebody watches");
    assert!(demand(&released), "it was held when the watch began");
    let name = fingerprint(&leased);
    assert!(!uses.is_leased(name, later(10 + LEASE.as_secs())), "not for ever");
    let again = uses.lease(&leased, later(30));
    drop(lease);
    assert!(uses.is_leased(name, later(30)), "the other holds it");
    drop(again);
    assert!(!uses.is_leased(name, later(30)));
    // Another watch begins anew, and ends by itself.
    let another = uses.watch();
    assert!(!another.is_in_demand(fingerprint(&used), later(20)));
    drop(another);
    assert!(demand(&used) && demand(&released), "the first goes on");
}

#[test]
fn many_records_are_found_swept_and_removed() {
    let uses = Uses::new(Kind::Lru);
    let all: Vec<Digest> = (0..20_000).map(named).collect();
    for (age, digest) in all.iter().enumerate() {
        uses.stored(digest, later(age as u64));
    }
    let last = |digest| uses.record(fingerprint(digest), Timestamp(0)).last_use();
    assert!((0..20_000).all(|n| last(&all[n]) == later(n as u64)));
    for digest in &all[..3000] {
        uses.evicted(fingerprint(digest), Default::default());
    }
    assert_eq!(uses.len(), 17_000);
    assert_eq!(last(&all[0]), Timestamp(0), "it is forgotten");
    uses.stored(&all[0], later(5));
    assert_eq!(last(&all[0]), later(5), "and comes again");
    let mut here: Vec<_> = all[10_000..].iter().map(fingerprint).collect();
    here.sort_unstable_by_key(|name| name.0);
    uses.sweep(&here);
    assert_eq!(uses.len(), 10_000);
    assert!((10_000..20_000).all(|n| last(&all[n]) == later(n as u64)));
    assert_eq!(last(&all[9_999]), Timestamp(0));
}

fn log_in(folder: &std::path::Path) -> Log {
    Log::new(folder.join("uses.log"), Disk::real())
}

fn read_back(folder: &std::path::Path) -> Uses {
    let uses = Uses::new(Kind::Lru);
    log_in(folder).read(&uses, later(1_000_000));
    uses
}

#[test]
fn what_is_written_is_read_again_and_only_changes_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let uses = Uses::new(Kind::Lru);
    let mut log = log_in(folder.path());
    for n in 0..10_000 {
        uses.stored(&named(n), NOW);
    }
    log.write(&uses).expect("written");
    let length = || {
        std::fs::metadata(folder.path().join("uses.log"))
            .expect("there")
            .len()
    };
    let whole = length();
    assert!((240_000..241_000).contains(&whole), "{whole}");
    log.write(&uses).expect("nothing to do");
    assert_eq!(length(), whole);
    uses.used(&named(7), later(9));
    log.write(&uses).expect("written");
    assert_eq!(length() - whole, 4 + 8 + 24, "one record");
    let again = read_back(folder.path());
    assert_eq!(again.len(), 10_000);
    assert_eq!(again.record(fingerprint(&named(7)), NOW).last_use(), later(9));
    // It does not grow without end.
    for round in 0..40 {
        for n in 0..10_000 {
            uses.used(&named(n), later(10 + round));
        }
        log.write(&uses).expect("written");
        assert!(length() < whole * 4, "{} after {round}", length());
    }
}

#[test]
fn a_torn_or_damaged_file_gives_what_is_right_before_the_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("uses.log");
    let uses = Uses::new(Kind::Lru);
    let mut log = log_in(folder.path());
    uses.stored(&named(1), later(1));
    log.write(&uses).expect("written");
    uses.stored(&named(2), later(2));
    log.write(&uses).expect("written");
    let whole = std::fs::read(&path).expect("read");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).expect("written");
        let found = read_back(folder.path()).len();
        let first = 8 + 36;
        assert_eq!(found, usize::from(length >= first), "{length}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).expect("written");
        assert!(read_back(folder.path()).len() < 2, "{at}");
    }
    std::fs::File::create(&path)
        .and_then(|mut file| file.write_all(&[0xff; 5000]))
        .expect("written");
    let uses = Uses::new(Kind::Lru);
    let mut log = log_in(folder.path());
    log.read(&uses, NOW);
    uses.stored(&named(3), NOW);
    log.write(&uses).expect("written anew");
    assert_eq!(read_back(folder.path()).len(), 1);
}

/// Whatever call fails, what was written before is read again, and the next write brings the rest.
#[test]
fn a_write_that_fails_loses_nothing_of_what_was_written() {
    use crate::cache::{Call, tests::Faulty};
    use rustix::io::Errno;
    for long in [false, true] {
        for errno in [Errno::IO, Errno::NOSPC, Errno::ROFS] {
            for at in 0..8 {
                let folder = tempfile::tempdir().expect("a folder");
                let faulty = Faulty::new();
                let mut log = Log::new(folder.path().join("uses.log"), faulty.disk());
                let uses = Uses::new(Kind::Lru);
                for n in 0..3000 {
                    uses.stored(&named(n), NOW);
                }
                log.write(&uses).expect("written");
                if long {
                    // One that has not read it writes it anew.
                    log = Log::new(folder.path().join("uses.log"), faulty.disk());
                }
                uses.used(&named(1), later(5));
                uses.stored(&named(4000), later(5));
                let mut calls = 0;
                faulty.fail(move |call, _| {
                    calls += 1;
                    (calls > at && call != Call::Unlink).then_some(errno)
                });
                let written = log.write(&uses).is_ok();
                faulty.heal();
                let left = read_back(folder.path());
                assert!(left.len() == 3000 || left.len() == 3001, "{long} {errno} {at}");
                assert!(!written || left.len() == 3001, "{long} {errno} {at}");
                assert!(!folder.path().join("uses.new").exists(), "{long} {errno} {at}");
                uses.used(&named(2), later(7));
                log.write(&uses).expect("written");
                let again = read_back(folder.path());
                assert_eq!(again.len(), 3001);
                let last = |n| again.record(fingerprint(&named(n)), NOW).last_use();
                assert_eq!((last(1), last(2), last(4000)), (later(5), later(7), later(5)));
            }
        }
    }
}

#[test]
fn fingerprints_are_the_beginnings_of_keys() {
    let one = Digest::of(Algorithm::Sha512, b"x");
    assert_eq!(fingerprint(&one).0.to_be_bytes(), one.key()[1..9]);
}
