//! A pass: from the steps of a walk to what follows from them.
//!
//! Promises: see [`super`]; a step counts as done when all that follows from it is, so that a pass that is cut misses
//! nothing. Must not know: when it is time for a pass.

use std::{pin::pin, time::Duration};

use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

use super::{
    pass::Pass,
    record::{Ending, Fault, Sums, What},
    task::{Settings, Told},
    walker::Walker,
};
use crate::{
    cache::{Ages, Cache, CacheError, Condemned, Seen},
    clock::Timestamp,
    collector::{Hands, Unable},
    janitor::{Failure, Finding, Folder, JobError, Part, Report, Step},
    oci::Digest,
    source::chain,
};

/// How a walk ended, for now.
#[derive(Debug)]
pub(super) enum Pause {
    Done,
    /// There is something else to do.
    Interrupted,
    /// It can go on at this time at the earliest, if that is known.
    Failed(Option<Instant>),
}

/// Why a step does not count.
enum Stop {
    Hands(Unable),
    Cache(CacheError),
}

impl From<CacheError> for Stop {
    fn from(error: CacheError) -> Self {
        Self::Cache(error)
    }
}

/// The means of a pass.
pub(super) struct Run<'a> {
    cache: &'a Cache,
    walker: &'a dyn Walker,
    hands: &'a dyn Hands,
    settings: &'a Settings,
    /// Files that are off the list and could not be removed yet.
    condemned: &'a mut Vec<Condemned>,
    told: &'a Told,
    /// What of the pass is told already.
    counted: Sums,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        cache: &'a Cache,
        (walker, hands): (&'a dyn Walker, &'a dyn Hands),
        settings: &'a Settings,
        condemned: &'a mut Vec<Condemned>,
        told: &'a Told,
    ) -> Self {
        Self {
            cache,
            walker,
            hands,
            settings,
            condemned,
            told,
            counted: Sums::default(),
        }
    }

    /// Goes on with a pass until it is done, fails, or `stop` is told.
    pub(super) async fn advance(&mut self, pass: &mut Pass, rate: Option<u64>, stop: &Notify) -> Pause {
        let began = Instant::now();
        let took = pass.record.took;
        pass.record.ending = Ending::Open;
        self.counted = pass.record.sums;
        let outcome = self.walk(pass, rate, stop).await;
        self.count(pass);
        pass.record.took = took.saturating_add(milliseconds(began.elapsed()));
        let (ending, pause) = match outcome {
            Ok(Pause::Done) => (Ending::Done, Pause::Done),
            Ok(pause) => (Ending::Open, pause),
            Err((fault, retry_at)) => (Ending::Failed(fault), Pause::Failed(retry_at)),
        };
        pass.record.ending = ending;
        pause
    }

    async fn walk(
        &mut self,
        pass: &mut Pass,
        rate: Option<u64>,
        stop: &Notify,
    ) -> Result<Pause, (Fault, Option<Instant>)> {
        self.remove_condemned(pass).await.map_err(fault)?;
        let (steps, mut taken) = mpsc::channel(1);
        let pace = match pass.record.what {
            What::Scan => self.settings.scan_pace,
            What::Scrub => self.settings.scrub_pace,
        };
        let walker = self.walker;
        let mut walking = pin!(walker.walk(pass.walk(rate), pace, steps));
        let mut progress = Counted::default();
        let mut since = self.settings.clock.now();
        let mut ended: Option<Result<Report, JobError>> = None;
        loop {
            let step = tokio::select! {
                biased;
                () = stop.notified(), if ended.is_none() => {
                    drop(taken);
                    // The worker is free for others when this ends, which it does.
                    let _ = walking.await;
                    return Ok(Pause::Interrupted);
                }
                step = taken.recv() => step,
                result = &mut walking, if ended.is_none() => {
                    ended = Some(result);
                    continue;
                }
            };
            let Some(step) = step else { break };
            let before = pass.record.sums;
            let done = self.take(pass, &step, &mut progress, since).await;
            if done.is_err() {
                // The same is met again.
                pass.record.sums.foreign = before.foreign;
                pass.record.sums.unreadable = before.unreadable;
            }
            self.count(pass);
            if let Err(stop) = done {
                drop(taken);
                if ended.is_none() {
                    let _ = walking.await;
                }
                return Err(fault(stop));
            }
            since = self.settings.clock.now();
        }
        let result = match ended {
            Some(result) => result,
            None => walking.await,
        };
        match result {
            Ok(report) if report.part == Part::Asked => {
                pass.record.sums.restarts += u64::from(report.restarts);
                self.finish(pass).await.map_err(fault)?;
                Ok(Pause::Done)
            }
            Ok(_) => Err((Fault::Janitor("somebody else has the same done".to_owned()), None)),
            Err(error) => Err(self.failed(pass, &error)),
        }
    }

    /// Tells what has come since it was told last.
    fn count(&mut self, pass: &Pass) {
        self.told.count(&pass.record.sums.since(&self.counted), pass);
        self.counted = pass.record.sums;
    }

    /// Does what follows from a step.
    async fn take(
        &mut self,
        pass: &mut Pass,
        step: &Step,
        counted: &mut Counted,
        since: Timestamp,
    ) -> Result<(), Stop> {
        if step.progress.cursor > pass.cursor {
            self.confirm(pass, since).await?;
        }
        let compared = match pass.record.what {
            What::Scan => self.scanned(pass, step).await?,
            What::Scrub => {
                self.scrubbed(pass, step, since).await?;
                pass.record.sums.bytes += step.progress.bytes.saturating_sub(counted.bytes);
                None
            }
        };
        pass.record.sums.files += step.progress.files.saturating_sub(counted.files);
        *counted = Counted {
            files: step.progress.files,
            bytes: step.progress.bytes,
        };
        pass.done(step, compared);
        Ok(())
    }

    /// The walk went on behind the file at which workers died: it was the file.
    async fn confirm(&mut self, pass: &mut Pass, since: Timestamp) -> Result<(), Stop> {
        let suspect = pass.suspect.take().and_then(|name| name.digest());
        if let (What::Scrub, Some(digest)) = (pass.record.what, suspect) {
            tracing::warn!(%digest, "workers die at reading a blob: it is taken off the list, and its file is left");
            self.off_the_list(digest, since).await?;
        }
        Ok(())
    }

    async fn off_the_list(&mut self, digest: Digest, since: Timestamp) -> Result<(), Stop> {
        if self.cache.distrust(digest, since).await? {
            (self.settings.gone)();
        }
        Ok(())
    }

    async fn scanned(&mut self, pass: &mut Pass, step: &Step) -> Result<Option<Digest>, Stop> {
        let (mut blobs, mut partials) = (Vec::new(), Vec::new());
        for finding in &step.findings {
            let (folder, name, size, age) = match finding {
                Finding::File {
                    folder,
                    name,
                    size,
                    modified,
                } => (*folder, name, Some(*size), self.age(*modified)),
                Finding::Unreadable { folder, name, why } => {
                    pass.record.sums.unreadable += 1;
                    tracing::warn!(%folder, file = %name, %why, "a file cannot be looked at");
                    (*folder, name, None, None)
                }
                Finding::Foreign { folder, name, .. } => {
                    pass.record.foreign(format!("{folder}/{name}"));
                    continue;
                }
                Finding::Verified { .. } | Finding::Mismatch { .. } | Finding::Kept { .. } => continue,
            };
            if let Some(digest) = name.digest() {
                let seen = Seen { digest, size, age };
                match folder {
                    Folder::Blobs => blobs.push(seen),
                    Folder::Fills => partials.push(seen),
                }
            }
        }
        let mut compared = None;
        if let Some((stretch, seen)) = pass.stretch(step, blobs) {
            compared = stretch.until;
            let differences = self.cache.compare(stretch, seen, self.ages()).await?;
            pass.record.sums.lost += differences.lost.len() as u64;
            pass.record.sums.left += differences.left;
            if !differences.lost.is_empty() {
                (self.settings.gone)();
            }
            self.condemned.extend(differences.orphans);
            self.remove_condemned(pass).await?;
        }
        if !partials.is_empty() {
            let done = self.cache.compare_partials(partials, self.ages()).await?;
            pass.record.sums.partials += done.removed;
        }
        Ok(compared)
    }

    async fn scrubbed(&mut self, pass: &mut Pass, step: &Step, since: Timestamp) -> Result<(), Stop> {
        let mut wrong = Vec::new();
        for finding in &step.findings {
            match finding {
                Finding::Mismatch { name, found, size } => {
                    let Some(digest) = name.digest() else { continue };
                    tracing::warn!(%digest, %found, size, "a blob's bytes are not what its name says");
                    wrong.push(digest);
                }
                Finding::Unreadable { name, why, .. } => {
                    pass.record.sums.unreadable += 1;
                    tracing::warn!(file = %name, %why, "a blob's file cannot be read");
                    if let Some(digest) = name.digest()
                        && why.errno.is_some_and(is_of_the_medium)
                    {
                        self.off_the_list(digest, since).await?;
                    }
                }
                _ => {}
            }
        }
        if !wrong.is_empty() {
            let condemned = self.cache.condemn(wrong, since).await?;
            if !condemned.is_empty() {
                pass.record.sums.mismatched += condemned.len() as u64;
                (self.settings.gone)();
                self.remove_files(condemned).await?;
            }
        }
        Ok(())
    }

    /// What is left to do behind the last step.
    async fn finish(&mut self, pass: &mut Pass) -> Result<(), Stop> {
        if pass.record.what == What::Scan {
            let done = self.cache.forget_lost_fills(self.ages()).await?;
            pass.record.sums.fills += done.rows;
        }
        pass.suspect = None;
        Ok(())
    }

    /// Removes orphans; what cannot be removed now stays condemned for the next time.
    async fn remove_condemned(&mut self, pass: &mut Pass) -> Result<(), Stop> {
        if self.condemned.is_empty() {
            return Ok(());
        }
        let removed = self.remove().await?;
        pass.record.sums.orphans += removed.0;
        pass.record.sums.orphan_bytes += removed.1;
        Ok(())
    }

    async fn remove_files(&mut self, files: Vec<Condemned>) -> Result<(), Stop> {
        self.condemned.extend(files);
        self.remove().await.map(|_| ())
    }

    async fn remove(&mut self) -> Result<(u64, u64), Stop> {
        let digests = self.condemned.iter().map(|one| *one.digest()).collect();
        let removed = self.hands.remove(digests).await.map_err(Stop::Hands)?;
        self.condemned.clear();
        for kept in &removed.kept {
            tracing::warn!(why = %kept, "a file that is not listed cannot be removed");
        }
        Ok((removed.files, removed.bytes))
    }

    /// Why a walk did not come to its end; steps over the file at which it died.
    fn failed(&self, pass: &mut Pass, error: &JobError) -> (Fault, Option<Instant>) {
        let words = chain(error);
        let fault = match error {
            JobError::CircuitOpen { why, reached, .. } => {
                // Only when nothing lies between it and the last step.
                if let Failure::Silent { at: Some(name), .. } | Failure::Died { at: Some(name), .. } = why
                    && *reached == pass.cursor
                {
                    tracing::warn!(file = %name, "workers die at a file: it is stepped over");
                    pass.step_over(reached.folder(), name.clone());
                }
                Fault::Worker(words)
            }
            JobError::Refused { .. } => Fault::Disk(words),
            JobError::Unread { .. } | JobError::Stopped { .. } | JobError::Busy { .. } => {
                Fault::Janitor(words)
            }
        };
        (fault, error.retry_at())
    }

    fn ages(&self) -> Ages {
        self.settings.ages
    }

    fn age(&self, modified: i64) -> Option<Duration> {
        let modified = Timestamp(u64::try_from(modified).ok()?);
        modified.age(self.settings.clock.now())
    }
}

/// What of the present walk is counted already.
#[derive(Default)]
struct Counted {
    files: u64,
    bytes: u64,
}

fn fault(stop: Stop) -> (Fault, Option<Instant>) {
    match stop {
        Stop::Hands(unable) => (Fault::Worker(unable.why), unable.retry_at),
        Stop::Cache(error) => (Fault::Index(chain(&error)), None),
    }
}

/// Whether an error says that the bytes are gone, and not that this process is short of something.
fn is_of_the_medium(errno: i32) -> bool {
    use rustix::io::Errno;
    [
        Errno::IO,
        Errno::BADMSG,
        Errno::UCLEAN,
        Errno::NODATA,
        Errno::REMOTEIO,
        Errno::ILSEQ,
    ]
    .iter()
    .any(|known| known.raw_os_error() == errno)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
