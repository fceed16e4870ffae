//! Reading: what is wrong, how fast, and what it leaves behind in memory.

use std::time::Instant;

use super::*;

#[test]
fn a_scrub_finds_what_is_not_what_it_says() {
    let rig = Rig::new();
    let good = rig.blobs(5);
    let bad = rig.file(Folder::Blobs, b"rotten", b"fresh");
    let dying = rig.file(Folder::Blobs, b"dying", b"dying");
    let empty = rig.file(Folder::Blobs, b"", b"");
    let fails = rig.path(Folder::Blobs, &dying.file_name());
    rig.fail(move |call, path| (call == Call::Read && path == fails).then_some(Errno::IO));
    for source in [Reading::Medium, Reading::Anywhere] {
        let from = Cursor::START;
        let order = Order::Walk(Walk::Scrub {
            from,
            source,
            rate: None,
        });
        let told = rig.job(source as u64, order, SMALL);
        let mut verified = BTreeSet::new();
        for finding in &told.findings {
            match finding {
                Finding::Verified { name, size } => {
                    verified.insert(name.digest().expect("a digest"));
                    assert!(*size <= 1);
                }
                Finding::Mismatch { name, found, size } => {
                    assert_eq!((name.digest(), *size), (Some(bad), 6));
                    assert_eq!(found.digest(), Some(Digest::of(Algorithm::Sha256, b"rotten")));
                }
                Finding::Unreadable { name, why, .. } => {
                    assert_eq!(name.digest(), Some(dying));
                    assert_eq!(why.errno, Some(Errno::IO.raw_os_error()));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told.findings.len(), 8);
        assert_eq!(verified, good.iter().copied().chain([empty]).collect());
    }
}

/// A large file of zeros that takes no room on the disk.
fn sparse(rig: &Rig, length: u64) -> Digest {
    let digest = Digest::of(Algorithm::Sha256, b"large");
    let file = fs::File::create(rig.path(Folder::Blobs, &digest.file_name())).expect("made");
    file.set_len(length).expect("grown");
    digest
}

#[test]
fn a_large_file_shows_that_it_is_being_read_and_can_be_cancelled() {
    let rig = Rig::new();
    let large = sparse(&rig, 32 << 20);
    let quick = Pace {
        time: Duration::ZERO,
        ..SMALL
    };
    let told = rig.job(1, scrub(Cursor::START), quick);
    assert!(matches!(
        told.findings[..],
        [Finding::Mismatch {
            size: 0x0200_0000,
            ..
        }]
    ));
    let within: Vec<_> = told
        .steps
        .iter()
        .filter(|step| step.at.is_some() && step.bytes > 0)
        .collect();
    assert!(within.len() >= 31, "{} signs of life", within.len());
    assert!(within.iter().all(|step| step.cursor == Cursor::START));
    assert_eq!(within[0].at.as_ref().and_then(Name::digest), Some(large));

    rig.begin(2, scrub(Cursor::START), quick);
    let cut = rig.follow(2, 5);
    assert_eq!(cut.end, End::Cancelled);
    assert!(cut.steps.last().is_some_and(|step| step.bytes <= 5 << 20));
}

#[test]
fn a_scrub_keeps_to_its_rate() {
    let rig = Rig::new();
    sparse(&rig, 3 << 20);
    let order = Order::Walk(Walk::Scrub {
        from: Cursor::START,
        source: Reading::Anywhere,
        rate: Some(8 << 20),
    });
    let began = Instant::now();
    let pace = Pace {
        time: Duration::from_millis(20),
        ..SMALL
    };
    let told = rig.job(1, order, pace);
    assert!(
        began.elapsed() >= Duration::from_millis(370),
        "{:?}",
        began.elapsed()
    );
    assert!(
        told.steps.len() > 10,
        "signs of life while it waits: {}",
        told.steps.len()
    );
}

#[test]
fn careful_steps_name_the_file_before_it_is_touched() {
    let rig = Rig::new();
    let mut blobs = rig.blobs(4);
    blobs.sort();
    rig.say(&ToWorker::Begin {
        job: 1,
        order: scrub(Cursor::START),
        pace: SMALL,
        careful: 100,
    });
    let told = rig.follow(1, usize::MAX);
    let at: Vec<_> = told
        .steps
        .iter()
        .filter_map(|step| step.at.as_ref()?.digest())
        .collect();
    assert_eq!(at, blobs, "the first, and after each file the next");
}

#[test]
fn a_scrub_leaves_the_page_cache_as_it_was() {
    // Beside the build, which is on a disk: a folder in memory has no page cache to speak of.
    let Some(near) = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.to_owned()))
    else {
        return;
    };
    let dir = tempfile::tempdir_in(near).expect("folder");
    // Not `RWF_NOWAIT`: asking with it makes the kernel begin to read.
    let resident = |path: &Path| {
        let command = ["--bytes", "--noheadings", "--output", "RES"];
        let asked = std::process::Command::new("fincore")
            .args(command)
            .arg(path)
            .output();
        let text = String::from_utf8(asked.ok()?.stdout).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let file = |name: &str| {
        let path = dir.path().join(name);
        fs::write(&path, vec![7; 4 << 20]).expect("written");
        let file = fs::File::open(&path).expect("opened");
        file.sync_all().expect("synced");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("dropped");
        path
    };
    let cold_path = file("cold");
    if resident(&cold_path) != Some(0) {
        println!("not shown: no fincore here, or a filesystem that keeps files in memory");
        return;
    }
    let hot_path = file("hot");
    fs::read(&hot_path).expect("read");
    let wanted = Digest::of(Algorithm::Sha256, &vec![7; 4 << 20]);
    for source in [Reading::Medium, Reading::Anywhere] {
        for path in [&cold_path, &hot_path] {
            let hash = super::scrub::hash_of(path, source, wanted).expect("read");
            assert_eq!(hash, wanted, "{source:?}");
        }
        assert_eq!(
            resident(&cold_path),
            Some(0),
            "{source:?} left what nobody else wants"
        );
        assert_eq!(
            resident(&hot_path),
            Some(4 << 20),
            "{source:?} dropped what is wanted"
        );
    }
}
