//! A worker as a thread, spoken to in its own words.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{ffi::OsStrExt as _, net::UnixStream},
    path::PathBuf,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::{
    cache::{Call, Faults},
    janitor::{
        job::{Finding, Kind, Pace, Progress, Reading},
        place::{Cursor, Folder, Name},
        protocol::JobId,
    },
    oci::{Algorithm, Digest},
};

/// No test waits longer than this for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Steps of three files.
const SMALL: Pace = Pace {
    files: 3,
    time: Duration::from_secs(5),
    rest: Duration::ZERO,
};

type Rule = Box<dyn Fn(Call, &Path) -> Option<Errno> + Send>;

#[derive(Default)]
struct Faulty(Mutex<Option<Rule>>);

impl Faults for Faulty {
    fn before(&self, call: Call, path: &Path) -> std::io::Result<()> {
        let fault = self.0.lock().as_ref().and_then(|rule| rule(call, path));
        fault.map_or(Ok(()), |errno| Err(errno.into()))
    }
}

/// A folder with a worker at it.
struct Rig {
    dir: TempDir,
    faulty: Arc<Faulty>,
    pipe: UnixStream,
    worker: JoinHandle<Result<Option<JoinHandle<()>>, WorkerError>>,
}

/// All that a job said.
struct Told {
    findings: Vec<Finding>,
    steps: Vec<Progress>,
    end: End,
}

impl Rig {
    /// A worker that holds seven names at a time.
    fn new() -> Self {
        let rig = Self::bare();
        rig.say(&ToWorker::Hello {
            version: VERSION,
            folder: rig.dir.path().to_owned(),
            memory: 64 << 20,
        });
        assert!(matches!(rig.hear(), FromWorker::Hello { version: VERSION, .. }));
        rig
    }

    /// One that was not greeted.
    fn bare() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        for folder in ["blobs", "fill"] {
            fs::create_dir(dir.path().join(folder)).expect("made");
        }
        let faulty = Arc::<Faulty>::default();
        let (pipe, theirs) = UnixStream::pair().expect("a pipe");
        pipe.set_read_timeout(Some(PATIENCE)).expect("set");
        let means = Means {
            held: 7,
            ..Means::of_thread(Disk::with_faults(faulty.clone()))
        };
        let worker = std::thread::spawn(move || {
            let output = Box::new(theirs.try_clone().expect("cloned"));
            run(theirs, output, means)
        });
        Self {
            dir,
            faulty,
            pipe,
            worker,
        }
    }

    fn say(&self, message: &ToWorker) {
        protocol::write(&mut &self.pipe, message).expect("said");
    }

    fn hear(&self) -> FromWorker {
        protocol::read(&mut &self.pipe)
            .expect("in time")
            .expect("an answer")
    }

    fn fail(&self, rule: impl Fn(Call, &Path) -> Option<Errno> + Send + 'static) {
        *self.faulty.0.lock() = Some(Box::new(rule));
    }

    fn path(&self, folder: Folder, name: &str) -> PathBuf {
        self.dir.path().join(folder.to_string()).join(name)
    }

    /// A file with its own name, or with another's.
    fn file(&self, folder: Folder, content: &[u8], name: &[u8]) -> Digest {
        let digest = Digest::of(Algorithm::Sha256, name);
        fs::write(self.path(folder, &digest.file_name()), content).expect("written");
        digest
    }

    fn blobs(&self, count: u32) -> Vec<Digest> {
        let blob = |n: u32| n.to_string().into_bytes();
        (0..count)
            .map(|n| self.file(Folder::Blobs, &blob(n), &blob(n)))
            .collect()
    }

    fn begin(&self, job: JobId, order: Order, pace: Pace) {
        self.say(&ToWorker::Begin {
            job,
            order,
            pace,
            careful: 0,
        });
    }

    /// Takes steps until the job ends, or until so many were taken and the next one is cancelled.
    fn follow(&self, job: JobId, most: usize) -> Told {
        let mut told = Told {
            findings: Vec::new(),
            steps: Vec::new(),
            end: End::Cancelled,
        };
        loop {
            match self.hear() {
                FromWorker::Step {
                    job: of, progress, ..
                } if told.steps.len() >= most => {
                    assert_eq!(of, job, "{progress:?}");
                    self.say(&ToWorker::Cancel { job });
                }
                FromWorker::Step {
                    job: of,
                    findings,
                    progress,
                } => {
                    assert_eq!(of, job);
                    told.findings.extend(findings);
                    told.steps.push(progress);
                    self.say(&ToWorker::Taken { job });
                }
                FromWorker::Ended { job: of, end } => {
                    assert_eq!(of, job);
                    told.end = end;
                    return told;
                }
                FromWorker::Hello { .. } => panic!("a second greeting"),
            }
        }
    }

    fn job(&self, job: JobId, order: Order, pace: Pace) -> Told {
        self.begin(job, order, pace);
        self.follow(job, usize::MAX)
    }

    /// Closes the pipe and hears how the worker ended.
    fn end(self) -> Result<(), WorkerError> {
        self.pipe.shutdown(std::net::Shutdown::Write).expect("shut");
        let hands = self.worker.join().expect("no panic")?;
        hands.map_or(Ok(()), |hands| {
            hands.join().expect("no panic");
            Ok(())
        })
    }
}

fn scan(from: Cursor) -> Order {
    Order::Walk(Walk::Scan { from })
}

fn scrub(from: Cursor) -> Order {
    Order::Walk(Walk::Scrub {
        from,
        source: Reading::Medium,
        rate: None,
    })
}

fn unlink(digests: &[Digest]) -> Order {
    Order::Unlink {
        folder: Folder::Blobs,
        names: digests.iter().map(Name::from).collect(),
    }
}

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
fn what_is_removed_from_one_folder_stays_in_the_other() {
    let rig = Rig::new();
    let blobs = rig.blobs(3);
    let partial = rig.path(Folder::Fills, &blobs[1].file_name());
    fs::write(&partial, "a part").expect("written");
    let order = Order::Unlink {
        folder: Folder::Fills,
        names: blobs.iter().map(Name::from).collect(),
    };
    let told = rig.job(1, order, SMALL);
    let last = told.steps.last().expect("steps");
    assert_eq!((last.files, last.bytes, last.missing), (1, 6, 2));
    assert_eq!(last.cursor.folder(), Folder::Fills);
    assert!(!partial.exists());
    assert!(
        blobs
            .iter()
            .all(|blob| rig.path(Folder::Blobs, &blob.file_name()).exists())
    );
}

#[test]
fn removing_twice_is_removing_once() {
    let rig = Rig::new();
    let mut blobs = rig.blobs(10);
    blobs.sort();
    let keeps = rig.path(Folder::Blobs, &blobs[4].file_name());
    let fails = keeps.clone();
    rig.fail(move |call, path| (call == Call::Unlink && path == fails).then_some(Errno::IO));
    let told = rig.job(1, unlink(&blobs), SMALL);
    let last = told.steps.last().expect("steps").clone();
    assert_eq!(
        (told.end, last.files, last.bytes, last.missing),
        (End::Finished, 9, 9, 0)
    );
    match &told.findings[..] {
        [Finding::Kept { name, why }] => {
            assert_eq!(name.digest(), Some(blobs[4]));
            assert_eq!(why.errno, Some(Errno::IO.raw_os_error()));
        }
        other => panic!("{other:?}"),
    }
    assert!(keeps.exists());

    rig.fail(|_, _| None);
    let told = rig.job(2, unlink(&blobs), SMALL);
    let last = told.steps.last().expect("steps");
    assert_eq!((last.files, last.missing), (1, 9));
    assert!(told.findings.is_empty());
    assert!(!keeps.exists());
    let index = rig.path(Folder::Blobs, "index.redb");
    fs::write(&index, "precious").expect("written");
    let names = vec!["index.redb".parse().expect("a name")];
    let folder = Folder::Blobs;
    let told = rig.job(3, Order::Unlink { folder, names }, SMALL);
    assert!(
        matches!(told.findings[..], [Finding::Kept { .. }]),
        "{:?}",
        told.findings
    );
    assert!(index.exists(), "only blobs are removed");
}

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
fn removing_goes_before_everything_else() {
    let rig = Rig::new();
    let blobs = rig.blobs(6);
    let forever = Pace {
        files: 3,
        time: Duration::from_secs(5),
        rest: Duration::from_secs(3600),
    };
    rig.begin(1, scan(Cursor::START), forever);
    assert!(matches!(rig.hear(), FromWorker::Step { job: 1, .. }));
    // While it waits for its step to be taken.
    assert_eq!(rig.job(2, unlink(&blobs[..1]), SMALL).end, End::Finished);
    rig.say(&ToWorker::Taken { job: 1 });
    // While it rests for an hour.
    assert_eq!(rig.job(3, unlink(&blobs[1..2]), SMALL).end, End::Finished);
    assert!(!rig.path(Folder::Blobs, &blobs[1].file_name()).exists());
    rig.say(&ToWorker::Cancel { job: 1 });
    assert!(matches!(
        rig.hear(),
        FromWorker::Ended {
            job: 1,
            end: End::Cancelled
        }
    ));
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
    assert_eq!(at, blobs[1..], "after each file, the next");
}

#[test]
fn what_cannot_be_understood_ends_the_worker_with_a_reason() {
    let said = |rig: Rig| chain(&rig.end().expect_err("refused"));
    let rig = Rig::new();
    std::io::Write::write_all(&mut &rig.pipe, b"\0\0\0\x05hello").expect("said");
    assert!(said(rig).contains("`hello`"));

    let rig = Rig::new();
    for job in [1, 2] {
        rig.begin(job, scan(Cursor::START), SMALL);
    }
    let why = said(rig);
    assert!(
        why.contains("job 2 was ordered before job 1") || why.is_empty(),
        "{why}"
    );

    let rig = Rig::bare();
    rig.say(&ToWorker::Cancel { job: 1 });
    assert!(said(rig).contains("not a greeting"));

    let rig = Rig::bare();
    rig.say(&ToWorker::Hello {
        version: VERSION + 1,
        folder: "/".into(),
        memory: 1,
    });
    assert!(said(rig).contains("not the same program"));
    Rig::bare().end().expect("nobody wanted anything");
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
