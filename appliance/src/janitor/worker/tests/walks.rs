//! Going through the folders: each name once, in order, from any cursor on.

use std::os::unix::ffi::OsStrExt as _;

use super::*;
use crate::janitor::job::Kind;

#[test]
fn a_scan_tells_all_that_lies_there_in_order() {
    let rig = Rig::new();
    let mut blobs = rig.blobs(40);
    let partial = rig.file(Folder::Fills, b"half", b"whole");
    fs::write(rig.path(Folder::Blobs, "notes.txt"), "x").expect("written");
    fs::create_dir(rig.path(Folder::Blobs, "sha256")).expect("made");
    let odd = std::ffi::OsStr::from_bytes(b"\xff\n");
    fs::write(rig.dir.path().join("fill").join(odd), "x").expect("written");

    let told = rig.job(1, scan(Cursor::START), SMALL);
    assert_eq!(told.end, End::Finished);
    let mut files = Vec::new();
    let mut foreign = Vec::new();
    for finding in told.findings {
        match finding {
            Finding::File {
                folder,
                name,
                size,
                modified,
            } => {
                assert!(modified > 1_500_000_000, "{modified}");
                files.push((folder, name.digest().expect("a digest"), size));
            }
            Finding::Foreign { folder, name, kind } => foreign.push((folder, name.to_string(), kind)),
            other => panic!("{other:?}"),
        }
    }
    blobs.sort();
    let wanted: Vec<_> = blobs.iter().map(|digest| (Folder::Blobs, *digest)).collect();
    let found: Vec<_> = files
        .iter()
        .map(|(folder, digest, _)| (*folder, *digest))
        .collect();
    assert_eq!(found[..40], wanted, "each once, in the order of the index");
    assert_eq!(files[40], (Folder::Fills, partial, 4));
    assert_eq!(
        foreign,
        [
            (Folder::Blobs, "notes.txt".to_owned(), Kind::File),
            (Folder::Blobs, "sha256".to_owned(), Kind::Folder),
            (Folder::Fills, "%FF%0A".to_owned(), Kind::File),
        ]
    );
    assert!(told.steps.len() >= 44 / 3, "{} steps", told.steps.len());
    assert_eq!(told.steps.last().map(|last| last.files), Some(44));
    rig.end().expect("in order");
}

#[test]
fn a_walk_that_is_cut_anywhere_goes_on_from_its_cursor() {
    let rig = Rig::new();
    rig.blobs(20);
    rig.file(Folder::Blobs, b"other", b"content");
    rig.file(Folder::Fills, b"half", b"whole");
    let mut job = 0;
    for order in [scan, scrub] {
        job += 1;
        let whole = rig.job(job, order(Cursor::START), SMALL);
        assert_eq!(whole.end, End::Finished);
        for cut in 0..whole.steps.len() {
            job += 1;
            rig.begin(job, order(Cursor::START), SMALL);
            let first = rig.follow(job, cut);
            assert_eq!(first.end, End::Cancelled, "cut {cut}");
            let reached = first
                .steps
                .last()
                .map_or(Cursor::START, |step| step.cursor.clone());
            job += 1;
            let rest = rig.job(job, order(reached), SMALL);
            let both: Vec<_> = first.findings.into_iter().chain(rest.findings).collect();
            assert_eq!(both, whole.findings, "cut {cut}");
        }
    }
    rig.end().expect("in order");
}

#[test]
fn what_comes_and_goes_does_not_hide_what_stays() {
    let rig = Rig::new();
    let stays: BTreeSet<_> = rig.blobs(60).into_iter().collect();
    rig.begin(1, scan(Cursor::START), SMALL);
    let mut seen = Vec::new();
    let mut turn = 0_u32;
    loop {
        match rig.hear() {
            FromWorker::Step { findings, .. } => {
                seen.extend(findings.into_iter().filter_map(|finding| match finding {
                    Finding::File { name, .. } => name.digest(),
                    _ => None,
                }));
                // Between any two steps something comes and the last that came goes.
                let name = |turn: u32| format!("comes {turn}").into_bytes();
                rig.file(Folder::Blobs, b"", &name(turn));
                if turn > 0 {
                    let gone = Digest::of(Algorithm::Sha256, &name(turn - 1));
                    fs::remove_file(rig.path(Folder::Blobs, &gone.file_name())).expect("gone");
                }
                turn += 1;
                rig.say(&ToWorker::Taken { job: 1 });
            }
            FromWorker::Ended { end, .. } => break assert_eq!(end, End::Finished),
            FromWorker::Hello { .. } => panic!("a second greeting"),
        }
    }
    assert!(
        seen.is_sorted() && seen.windows(2).all(|two| two[0] != two[1]),
        "each once"
    );
    assert!(stays.is_subset(&seen.into_iter().collect()));
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_an_empty_one() {
    let rig = Rig::new();
    rig.blobs(2);
    rig.fail(|call, _| (call == Call::List).then_some(Errno::IO));
    let told = rig.job(1, scan(Cursor::START), SMALL);
    match told.end {
        End::Refused { operation, why } => {
            assert!(operation.contains("blobs"), "{operation}");
            assert_eq!(why.errno, Some(Errno::IO.raw_os_error()));
        }
        other => panic!("{other:?}"),
    }
}
