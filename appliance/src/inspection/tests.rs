//! Inspections on a real cache, with a walk that does as a test says.

mod recovery;

use std::{
    collections::VecDeque,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::Instant};

use super::*;
use crate::{
    cache::{Cache, Options, Presence, Stamp},
    clock::Clock,
    collector::{Hands, Removed, Unable},
    janitor::{
        Cursor, Failure, Finding, Folder, JobError, Name, Pace, Part, Progress, Refusal, Report, Step, Task,
        Walk,
    },
    memory::Buffer,
    oci::{Algorithm, Digest, Repository},
};

const BLOB: usize = 40_000;
const NOW: u64 = 1_800_000_000;

/// What a walk does at a file.
#[derive(Clone, Debug)]
enum Act {
    /// The worker dies at it, until the circuit opens.
    Die(Digest),
    /// The same, when it is read to be listed.
    DieVerifying(Digest),
    /// Reading it fails with this number.
    Unreadable(Digest, i32),
    /// Whoever reads it stands still before it, until that is given up.
    Stand(Digest),
}

impl Act {
    fn digest(&self) -> &Digest {
        match self {
            Self::Die(digest)
            | Self::DieVerifying(digest)
            | Self::Unreadable(digest, _)
            | Self::Stand(digest) => digest,
        }
    }
}

type Meanwhile = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Walks through the folders itself, a file a step.
#[derive(Default)]
struct Scripted {
    dir: PathBuf,
    acts: Mutex<Vec<Act>>,
    walks: Mutex<Vec<Walk>>,
    /// The acts are for these walks only.
    only: Mutex<Option<Task>>,
    /// Done when all was looked at and nothing is told yet.
    meanwhile: Mutex<Option<Meanwhile>>,
    /// The same, when files were read to be listed.
    before_listing: Mutex<Option<Meanwhile>>,
}

impl Scripted {
    fn names(&self, folder: Folder) -> Vec<Name> {
        let list = fs::read_dir(self.dir.join(folder.to_string())).expect("listed");
        let mut names: Vec<Name> = list
            .map(|file| {
                let name = file.expect("listed").file_name();
                name.to_str().expect("text").parse().expect("a name")
            })
            .collect();
        names.sort();
        names
    }

    fn look(&self, folder: Folder, name: &Name, what: Task) -> (Finding, u64) {
        let path = self.dir.join(folder.to_string()).join(name.to_string());
        let metadata = fs::metadata(&path).expect("there");
        let size = metadata.len();
        let modified = metadata.modified().expect("a time");
        let modified = modified.duration_since(UNIX_EPOCH).expect("late").as_secs();
        let name = name.clone();
        let finding = match (what, name.digest()) {
            (_, None) => Finding::Foreign {
                folder,
                name,
                kind: crate::janitor::Kind::File,
            },
            (Task::Verify, Some(digest)) => {
                let found = Digest::of(Algorithm::Sha256, &fs::read(path).expect("read"));
                let stamp = Stamp::of(&metadata);
                if found == digest {
                    Finding::Whole { name, stamp }
                } else {
                    Finding::Wrong {
                        name,
                        found: Name::from(&found),
                        stamp,
                    }
                }
            }
            (Task::Scrub, Some(digest)) => {
                let found = Digest::of(Algorithm::Sha256, &fs::read(path).expect("read"));
                if found == digest {
                    Finding::Verified { name, size }
                } else {
                    Finding::Mismatch {
                        name,
                        found: Name::from(&found),
                        size,
                    }
                }
            }
            _ => Finding::File {
                folder,
                name,
                size,
                modified: i64::try_from(modified).expect("soon"),
            },
        };
        (finding, size)
    }
}

impl Walker for Scripted {
    fn walk(
        &self,
        walk: Walk,
        _: Pace,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'_, Result<Report, JobError>> {
        async move {
            self.walks.lock().push(walk.clone());
            let task = walk.task();
            let mut progress = Progress::at(walk.from().clone());
            let unread = |progress: &Progress| JobError::Unread {
                task,
                reached: progress.cursor.clone(),
            };
            let mut all = VecDeque::new();
            for folder in [Folder::Blobs, Folder::Fills] {
                for name in self.names(folder) {
                    let at = Cursor::past(folder, name.clone());
                    let asked_for = match &walk {
                        Walk::Scan { .. } => true,
                        Walk::Scrub { .. } => folder == Folder::Blobs,
                        Walk::Verify { names, .. } => folder == Folder::Blobs && names.contains(&name),
                    };
                    if at > *walk.from() && asked_for {
                        all.push_back((at, name.clone(), self.look(folder, &name, task)));
                    }
                }
            }
            let meanwhile = match task {
                Task::Verify => self.before_listing.lock().take(),
                _ => self.meanwhile.lock().take(),
            };
            if let Some(meanwhile) = meanwhile {
                meanwhile().await;
            }
            for (at, name, (mut finding, size)) in all {
                let act = self
                    .acts
                    .lock()
                    .iter()
                    .find(|act| Some(*act.digest()) == name.digest())
                    .filter(|_| self.only.lock().is_none_or(|only| only == task))
                    .cloned();
                match act {
                    Some(Act::DieVerifying(_)) if task != Task::Verify => {}
                    Some(Act::Die(_) | Act::DieVerifying(_)) => {
                        return Err(JobError::CircuitOpen {
                            task,
                            until: Instant::now() + Duration::from_secs(30),
                            reached: progress.cursor,
                            why: Failure::Silent {
                                within: Duration::from_secs(1),
                                at: Some(name),
                            },
                        });
                    }
                    Some(Act::Stand(_)) if task != Task::Scan => {
                        steps.closed().await;
                        return Err(unread(&progress));
                    }
                    Some(Act::Unreadable(_, errno)) => {
                        finding = Finding::Unreadable {
                            folder: at.folder(),
                            name: name.clone(),
                            why: Refusal {
                                text: "cannot".to_owned(),
                                errno: Some(errno),
                            },
                        };
                    }
                    Some(Act::Stand(_)) | None => {}
                }
                progress.cursor = at;
                progress.files += 1;
                progress.bytes += size;
                let step = Step {
                    findings: vec![finding],
                    progress: progress.clone(),
                };
                if steps.send(step).await.is_err() {
                    return Err(unread(&progress));
                }
            }
            progress.cursor = progress.cursor.max(Cursor::start_of(Folder::Fills));
            let last = Step {
                findings: Vec::new(),
                progress: progress.clone(),
            };
            steps.send(last).await.map_err(|_| unread(&progress))?;
            Ok(Report {
                progress,
                restarts: 0,
                part: Part::Asked,
            })
        }
        .boxed()
    }
}

/// Hands that remove files themselves, if they may.
struct Own(PathBuf, AtomicBool);

impl Hands for Own {
    fn remove(&self, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        self.remove_from(self.0.clone(), files)
    }

    fn remove_partials(&self, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        self.remove_from(self.0.with_file_name("fill"), files)
    }
}

impl Own {
    fn remove_from(&self, folder: PathBuf, files: Vec<Digest>) -> BoxFuture<'_, Result<Removed, Unable>> {
        async move {
            if self.1.load(SeqCst) {
                return Err(Unable {
                    why: "the hands are tied".to_owned(),
                    retry_at: None,
                });
            }
            let mut removed = Removed::default();
            for digest in files {
                let path = folder.join(digest.file_name());
                removed.bytes += fs::metadata(&path).map_or(0, |file| file.len());
                removed.files += u64::from(fs::remove_file(&path).is_ok());
            }
            Ok(removed)
        }
        .boxed()
    }
}

struct Bed {
    cache: Cache,
    walker: Arc<Scripted>,
    hands: Arc<Own>,
    open: Arc<AtomicBool>,
    settings: Settings,
    dir: TempDir,
}

fn name() -> Repository {
    Repository {
        upstream: "up.test".parse().expect("valid"),
        path: "a".parse().expect("valid"),
    }
}

fn noise(seed: u64) -> Bytes {
    let mut bytes = vec![0; BLOB];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes.into()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(Algorithm::Sha256, bytes)
}

async fn store(cache: &Cache, bytes: &Bytes) {
    let size = Some(bytes.len() as u64);
    let fill = cache.begin_fill(&name(), &digest(bytes), size).await;
    let mut fill = fill.expect("begun");
    fill.append(vec![Buffer::borrowed(bytes.clone())])
        .await
        .expect("stored");
    let verified = fill.verify().expect("matches");
    verified.publish().await.expect("published");
}

impl Bed {
    /// Nothing was adopted yet.
    async fn raw() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::starting_at(Duration::from_secs(NOW));
        let cache = Cache::open(Options::new(dir.path()), clock.clone()).await;
        let open = Arc::<AtomicBool>::default();
        let window = open.clone();
        Self {
            cache: cache.expect("opened"),
            walker: Arc::new(Scripted {
                dir: dir.path().to_owned(),
                ..Scripted::default()
            }),
            hands: Arc::new(Own(dir.path().join("blobs"), AtomicBool::new(false))),
            settings: Settings {
                window: Arc::new(move || window.load(SeqCst)),
                rng: fastrand::Rng::with_seed(3),
                ..Settings::new(clock, dir.path().join("inspection.json"))
            },
            open,
            dir,
        }
    }

    async fn new() -> Self {
        let bed = Self::raw().await;
        bed.cache.recover().await;
        bed
    }

    fn start(&self) -> Inspector {
        Inspector::start(
            self.cache.clone(),
            self.walker.clone(),
            self.hands.clone(),
            self.settings.clone(),
        )
        .0
    }

    /// Blobs in the order of their digests.
    async fn store_all(&self, count: u64) -> Vec<Bytes> {
        let mut all: Vec<Bytes> = (0..count).map(noise).collect();
        all.sort_by_key(|bytes| digest(bytes));
        for bytes in &all {
            store(&self.cache, bytes).await;
        }
        all
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        self.dir.path().join("blobs").join(digest(bytes).file_name())
    }

    fn plant(&self, bytes: &[u8]) -> PathBuf {
        let path = self.file(bytes);
        fs::write(&path, bytes).expect("written");
        let file = fs::File::options().write(true).open(&path).expect("opened");
        let long_ago = UNIX_EPOCH + Duration::from_secs(NOW - 86_400);
        file.set_modified(long_ago).expect("aged");
        path
    }

    fn is_here(&self, bytes: &[u8]) -> bool {
        let found = self.cache.blob(&name(), &digest(bytes)).expect("looked up");
        matches!(found, Presence::Here(_))
    }

    fn act(&self, acts: impl IntoIterator<Item = Act>) {
        *self.walker.acts.lock() = acts.into_iter().collect();
    }
}

async fn scan(inspector: &Inspector) -> Record {
    let mut records = inspector.inspect(Depth::Scan).await.expect("answered");
    records.pop().expect("a scan")
}

/// Waits for a state of the history, in any time.
async fn until(inspector: &Inspector, what: impl Fn(&[Record]) -> bool) {
    let mut looks = 0;
    while !what(&inspector.history()) {
        looks += 1;
        assert!(looks < 200_000, "{:?}", inspector.history());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_was_published_since_it_was_seen_is_neither_lost_nor_an_orphan() {
    let bed = Bed::new().await;
    bed.store_all(3).await;
    // One whose file is seen before its row is written, and one whose file was not there yet.
    let (early, late) = (noise(70), noise(71));
    bed.plant(&early);
    let cache = bed.cache.clone();
    let (one, other) = (early.clone(), late.clone());
    *bed.walker.meanwhile.lock() = Some(Box::new(move || {
        async move {
            let size = Some(BLOB as u64);
            // It takes over what lies there.
            let mut fill = cache
                .begin_fill(&name(), &digest(&one), size)
                .await
                .expect("begun");
            fill.rehash().await.expect("read");
            fill.verify()
                .expect("matches")
                .publish()
                .await
                .expect("published");
            store(&cache, &other).await;
        }
        .boxed()
    }));
    let inspector = bed.start();
    let record = scan(&inspector).await;
    assert_eq!((record.sums.orphans, record.sums.lost), (0, 0), "{record}");
    assert!(bed.is_here(&early) && bed.is_here(&late));
}

#[tokio::test]
async fn what_is_being_filled_while_it_is_seen_keeps_its_file() {
    let bed = Bed::new().await;
    let inspector = bed.start();
    let bytes = noise(70);
    let path = bed.plant(&bytes);
    let (ready, filling) = tokio::sync::oneshot::channel();
    let cache = bed.cache.clone();
    let wanted = digest(&bytes);
    *bed.walker.meanwhile.lock() = Some(Box::new(move || {
        async move {
            let fill = cache.begin_fill(&name(), &wanted, Some(BLOB as u64)).await;
            let _ = ready.send(fill.expect("begun"));
        }
        .boxed()
    }));
    let record = scan(&inspector).await;
    assert_eq!((record.sums.orphans, record.sums.left), (0, 1), "{record}");
    let mut fill = filling.await.expect("begun");
    fill.rehash().await.expect("all of it is there");
    fill.verify()
        .expect("matches")
        .publish()
        .await
        .expect("published");
    assert!(path.exists() && bed.is_here(&bytes));
}

#[tokio::test(start_paused = true)]
async fn an_index_that_does_not_know_is_no_reason_to_remove_anything() {
    let bed = Bed::raw().await;
    let orphan = noise(80);
    let path = bed.plant(&orphan);
    bed.act([Act::DieVerifying(digest(&orphan))]);
    let inspector = bed.start();
    let record = scan(&inspector).await;
    assert_eq!(
        (record.sums.orphans, record.sums.left),
        (0, 1),
        "nothing was adopted: {record}"
    );
    bed.act([]);
    until(&inspector, |_| bed.cache.is_settled()).await;
    assert_eq!(
        scan(&inspector).await.sums.left,
        0,
        "it is listed, as the recovery does"
    );
    let second = bed.plant(&noise(81));
    bed.cache.close().await;
    let record = scan(&inspector).await;
    assert!(
        matches!(&record.ending, Ending::Failed(Fault::Index(why)) if why.contains("closed")),
        "{record}"
    );
    assert!(path.exists() && second.exists());
}

#[tokio::test]
async fn hands_that_are_tied_fail_the_pass_and_what_waits_goes_first() {
    let bed = Bed::new().await;
    let inspector = bed.start();
    bed.store_all(3).await;
    let orphan = noise(80);
    let path = bed.plant(&orphan);
    bed.hands.1.store(true, SeqCst);
    let record = scan(&inspector).await;
    assert_eq!(
        record.ending,
        Ending::Failed(Fault::Worker("the hands are tied".to_owned()))
    );
    assert_eq!((bed.cache.stats().condemned, record.sums.orphans), (1, 0));
    let refused = bed.cache.begin_fill(&name(), &digest(&orphan), None).await;
    assert!(refused.is_err(), "it would lose its file");
    bed.hands.1.store(false, SeqCst);
    let record = scan(&inspector).await;
    assert_eq!(
        (&record.ending, record.sums.orphans),
        (&Ending::Done, 1),
        "{record}"
    );
    assert!(!path.exists());
    assert_eq!(bed.cache.stats().condemned, 0);
    let [_, scans, _] = inspector.tally();
    assert_eq!((scans.done, scans.failed, scans.sums.orphans), (1, 1, 1));
}

#[tokio::test]
async fn what_cannot_be_read_is_off_the_list_and_its_file_is_left() {
    let bed = Bed::new().await;
    let inspector = bed.start();
    let blobs = bed.store_all(4).await;
    bed.act([
        Act::Unreadable(digest(&blobs[1]), 5),
        // The box is short of descriptors: that says nothing of the file.
        Act::Unreadable(digest(&blobs[2]), 24),
    ]);
    let records = inspector.inspect(Depth::Scrub).await.expect("answered");
    let scrub = &records[1];
    assert_eq!((scrub.sums.unreadable, scrub.sums.mismatched), (2, 0), "{scrub}");
    assert!(!bed.is_here(&blobs[1]) && bed.is_here(&blobs[2]));
    assert!(bed.file(&blobs[1]).exists());
    // Neither a scan nor the recovery touches it, and a fill does not take it over.
    bed.act([]);
    bed.plant(&blobs[1]);
    assert_eq!(scan(&inspector).await.sums.left, 1);
    bed.cache.recover().await;
    assert!(!bed.is_here(&blobs[1]) && bed.file(&blobs[1]).exists());
    let fill = bed.cache.begin_fill(&name(), &digest(&blobs[1]), None).await;
    assert_eq!(fill.expect("begun").len(), 0);
    store(&bed.cache, &blobs[1]).await;
    assert!(bed.is_here(&blobs[1]) && bed.cache.distrusted().is_empty());
    assert_eq!(scan(&inspector).await.sums.left, 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_at_which_workers_die_is_stepped_over_and_taken_off_the_list_behind_it() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(5).await;
    bed.act([Act::Die(digest(&blobs[2]))]);
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    // Each rests for as long as it likes: either can be the first.
    let both = |history: &[Record]| {
        let done = history.iter().filter(|record| record.ending == Ending::Done);
        done.count() == 2
    };
    until(&inspector, both).await;
    let history = inspector.history();
    assert_eq!(history.len(), 2, "{history:?}");
    for record in &history {
        assert_eq!(record.sums.unreadable, 1, "{record}");
        assert_eq!((record.sums.files, record.sums.lost), (4, 0), "{record}");
    }
    assert!(!bed.is_here(&blobs[2]) && bed.is_here(&blobs[3]));
    let walks = bed.walker.walks.lock().clone();
    let past = Cursor::past(Folder::Blobs, Name::from(&digest(&blobs[2])));
    let froms: Vec<&Cursor> = walks.iter().map(Walk::from).collect();
    assert_eq!(froms, [&Cursor::START, &Cursor::START, &past, &past]);
    let [_, scans, scrubs] = inspector.tally();
    assert_eq!((scans.failed, scrubs.failed), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_always_dies_empties_no_cache() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(4).await;
    bed.act(blobs.iter().map(|bytes| Act::Die(digest(bytes))));
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    let walks = || bed.walker.walks.lock().len();
    let began = Instant::now();
    until(&inspector, |_| walks() >= 8).await;
    assert!(
        began.elapsed() > Duration::from_secs(2 * 60),
        "less and less often: {:?}",
        began.elapsed()
    );
    // Behind the last file a walk goes on at last. That speaks against that file, and against no other.
    let both = |history: &[Record]| history.iter().all(|record| record.ending == Ending::Done);
    until(&inspector, |history| history.len() == 2 && both(history)).await;
    assert_eq!(walks(), 10);
    let here: Vec<bool> = blobs.iter().map(|blob| bed.is_here(blob)).collect();
    assert_eq!(here, [true, true, true, false]);
}

#[tokio::test]
async fn a_pass_goes_on_from_its_cursor_in_another_process() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(6).await;
    fs::write(bed.file(&blobs[5]), [0; BLOB]).expect("written");
    bed.act([Act::Stand(digest(&blobs[3]))]);
    let settings = Settings {
        save_every: Duration::from_millis(20),
        ..bed.settings.clone()
    };
    let (inspector, task) =
        Inspector::start(bed.cache.clone(), bed.walker.clone(), bed.hands.clone(), settings);
    let asked = tokio::spawn({
        let inspector = inspector.clone();
        async move { inspector.inspect(Depth::Scrub).await.is_ok() }
    });
    let file = bed.cache.small_file(bed.settings.memory.clone());
    let third = Cursor::past(Folder::Blobs, Name::from(&digest(&blobs[2])));
    until(&inspector, |_| {
        let memory: memory::Memory = memory::Memory::read(&file);
        memory.scrub.is_some_and(|pass| pass.cursor == third)
    })
    .await;
    task.abort();
    assert!(!asked.await.expect("no panic"));
    drop(inspector);

    bed.act([]);
    bed.walker.walks.lock().clear();
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    until(&inspector, |history| {
        history
            .iter()
            .any(|record| record.what == What::Scrub && record.ending == Ending::Done)
    })
    .await;
    let walks = bed.walker.walks.lock().clone();
    assert_eq!(walks.len(), 1, "the scan was done already: {walks:?}");
    assert_eq!(walks[0].from(), &third);
    let scrub = inspector.history().pop().expect("a scrub");
    assert_eq!((scrub.sums.files, scrub.sums.mismatched), (6, 1), "{scrub}");
}

#[tokio::test]
async fn a_scan_goes_before_a_scrub_which_goes_on_afterwards() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(5).await;
    bed.act([Act::Stand(digest(&blobs[2]))]);
    let inspector = bed.start();
    let scrub = tokio::spawn({
        let inspector = inspector.clone();
        async move { inspector.inspect(Depth::Scrub).await.expect("answered") }
    });
    until(&inspector, |history| {
        history
            .iter()
            .any(|record| record.what == What::Scrub && record.sums.files == 2)
    })
    .await;
    bed.act([]);
    let orphan = bed.plant(&noise(90));
    let record = scan(&inspector).await;
    assert_eq!((record.what, record.sums.orphans), (What::Scan, 1), "{record}");
    assert!(!orphan.exists());
    let records = scrub.await.expect("no panic");
    assert_eq!(records[1].ending, Ending::Done);
    assert_eq!(records[1].sums.files, 5, "each once: {}", records[1]);
    let walks = bed.walker.walks.lock().clone();
    let second = Cursor::past(Folder::Blobs, Name::from(&digest(&blobs[1])));
    assert_eq!(walks.last().expect("a walk").from(), &second);
}

#[tokio::test(start_paused = true)]
async fn a_scrub_rests_outside_of_its_window_and_a_scan_comes_every_day() {
    let bed = Bed::new().await;
    let blobs = bed.store_all(4).await;
    bed.act([Act::Stand(digest(&blobs[2]))]);
    bed.open.store(true, SeqCst);
    let inspector = bed.start();
    let halfway = |history: &[Record]| history.iter().any(|record| record.sums.files == 2);
    until(&inspector, halfway).await;
    bed.open.store(false, SeqCst);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let walks = bed.walker.walks.lock().len();
    tokio::time::sleep(Duration::from_secs(20 * 3600)).await;
    assert_eq!(
        bed.walker.walks.lock().len(),
        walks,
        "nothing is done while it is closed"
    );
    bed.act([]);
    bed.open.store(true, SeqCst);
    let counted = |history: &[Record], what| {
        let done = history
            .iter()
            .filter(|record| record.what == what && record.ending == Ending::Done);
        done.count()
    };
    until(&inspector, |history| counted(history, What::Scrub) == 1).await;
    assert_eq!(counted(&inspector.history(), What::Scan), 1);
    tokio::time::sleep(Duration::from_secs(2 * 86_400)).await;
    let history = inspector.history();
    assert_eq!(
        (counted(&history, What::Scan), counted(&history, What::Scrub)),
        (3, 1)
    );
}
