//! A pass: from the steps of a walk to what follows from them.
//!
//! Promises: see [`super`]; a step counts as done when all that follows from it is, so that a pass that is cut misses
//! nothing. Must not know: when it is time for a pass.

use std::time::Duration;

use tokio::{sync::Notify, time::Instant};

use super::{
    halted::Halted,
    pass::Pass,
    record::{Ending, Fault, Sums, What},
    settings::Settings,
    told::Told,
    walker::Walker,
    walking::{Next, Walking},
};
use crate::{
    cache::{Cache, Condemned, Remains},
    clock::Timestamp,
    collector::{Hands, Removed, remove_condemned},
    janitor::{Cursor, Failure, Folder, JobError, Name, Pace, Part, Report, Step, Walk},
    oci::Digest,
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

/// The means of a pass.
pub(super) struct Run<'a> {
    pub(super) cache: &'a Cache,
    pub(super) walker: &'a dyn Walker,
    pub(super) hands: &'a dyn Hands,
    pub(super) settings: &'a Settings,
    /// Files that are off the list and could not be removed yet.
    pub(super) condemned: &'a mut Vec<Condemned>,
    pub(super) told: &'a Told,
    /// What of the pass is told already.
    pub(super) counted: Sums,
}

impl<'a> Run<'a> {
    /// Goes on with a pass until it is done, fails, or `stop` is told.
    pub(super) async fn advance(&mut self, pass: &mut Pass, rate: Option<u64>, stop: &Notify) -> Pause {
        let began = Instant::now();
        let took = pass.record.took;
        pass.record.ending = Ending::Open;
        self.counted = pass.record.sums;
        let outcome = match pass.record.what {
            What::Recovery => self.recover(pass, stop).await,
            What::Scan | What::Scrub => self.inspect(pass, rate, stop).await,
        };
        self.count(pass);
        pass.record.took = took.saturating_add(milliseconds(began.elapsed()));
        let (ending, pause) = match outcome {
            Ok(Pause::Done) => (Ending::Done, Pause::Done),
            Ok(pause) => (Ending::Open, pause),
            Err(Halted { fault, retry_at }) => (Ending::Failed(fault), Pause::Failed(retry_at)),
        };
        pass.record.ending = ending;
        pause
    }

    /// One walk from where the last one was to the end.
    async fn inspect(&mut self, pass: &mut Pass, rate: Option<u64>, stop: &Notify) -> Result<Pause, Halted> {
        self.remove_condemned(pass).await?;
        let pace = match pass.record.what {
            What::Recovery | What::Scan => self.settings.scan_pace,
            What::Scrub => self.settings.scrub_pace,
        };
        let mut walking = self.walking(pass.walk(rate), pace);
        loop {
            match walking.next(stop).await {
                Next::Step(step, since) => {
                    if let Err(halted) = self.take(pass, &mut walking, &step, since).await {
                        walking.leave().await;
                        return Err(halted);
                    }
                }
                Next::Stopped => {
                    walking.leave().await;
                    return Ok(Pause::Interrupted);
                }
                Next::Ended(result) => {
                    self.ended(pass, result)?;
                    break;
                }
            }
        }
        if pass.record.what == What::Scan {
            self.forget_lost_fills(pass).await?;
        }
        pass.suspect = None;
        Ok(Pause::Done)
    }

    pub(super) fn walking(&self, walk: Walk, pace: Pace) -> Walking<'a> {
        Walking::begin(self.walker, walk, pace, self.settings)
    }

    /// Tells what has come since it was told last.
    pub(super) fn count(&mut self, pass: &Pass) {
        self.told.count(&pass.record.sums.since(&self.counted), pass);
        self.counted = pass.record.sums;
    }

    /// Does what follows from a step, and counts it.
    pub(super) async fn take(
        &mut self,
        pass: &mut Pass,
        walking: &mut Walking<'_>,
        step: &Step,
        since: Timestamp,
    ) -> Result<(), Halted> {
        let before = pass.record.sums;
        let done = self.follow(pass, walking, step, since).await;
        if done.is_err() {
            // The same is met again.
            pass.record.sums.foreign = before.foreign;
            pass.record.sums.unreadable = before.unreadable;
        }
        self.count(pass);
        done
    }

    async fn follow(
        &mut self,
        pass: &mut Pass,
        walking: &mut Walking<'_>,
        step: &Step,
        since: Timestamp,
    ) -> Result<(), Halted> {
        if step.progress.cursor > pass.cursor {
            self.confirm(pass, since).await?;
        }
        let reached = &step.progress.cursor;
        match pass.record.what {
            What::Recovery => self.surveyed(pass, step).await,
            What::Scan => {
                let sight = self.look(pass, &step.findings);
                let compared = self.scanned(pass, sight, reached).await?;
                pass.record.sums.files += walking.count(step).files;
                pass.done(reached.clone(), compared);
                Ok(())
            }
            What::Scrub => {
                self.scrubbed(pass, step, since).await?;
                let counted = walking.count(step);
                pass.record.sums.files += counted.files;
                pass.record.sums.bytes += counted.bytes;
                pass.done(reached.clone(), None);
                Ok(())
            }
        }
    }

    /// The walk went on behind the file at which workers died: it was the file.
    async fn confirm(&mut self, pass: &mut Pass, since: Timestamp) -> Result<(), Halted> {
        let suspect = pass.suspect.take().and_then(|name| name.digest());
        if let (What::Scrub | What::Recovery, Some(digest)) = (pass.record.what, suspect) {
            self.blamed(digest, since).await?;
        }
        Ok(())
    }

    /// Workers die at a file, and at no other.
    pub(super) async fn blamed(&mut self, digest: Digest, since: Timestamp) -> Result<(), Halted> {
        tracing::warn!(%digest, "workers die at reading a blob: it is not listed any more, and its file is left");
        self.off_the_list(digest, since).await
    }

    pub(super) async fn off_the_list(&mut self, digest: Digest, since: Timestamp) -> Result<(), Halted> {
        if self.cache.distrust(digest, since).await? {
            (self.settings.gone)();
        }
        Ok(())
    }

    /// Removes orphans and partials; what cannot be removed now stays condemned for the next time.
    pub(super) async fn remove_condemned(&mut self, pass: &mut Pass) -> Result<(), Halted> {
        let orphans = self.remove(Remains::Blob).await?;
        pass.record.sums.orphans += orphans.files;
        pass.record.sums.orphan_bytes += orphans.bytes;
        let partials = self.remove(Remains::Partial).await?;
        pass.record.sums.partials += partials.files;
        Ok(())
    }

    pub(super) async fn remove_files(&mut self, files: Vec<Condemned>) -> Result<(), Halted> {
        self.condemned.extend(files);
        self.remove(Remains::Blob).await.map(|_| ())
    }

    async fn remove(&mut self, remains: Remains) -> Result<Removed, Halted> {
        Ok(remove_condemned(self.hands, self.condemned, remains).await?)
    }

    /// Whether a walk through the folders came to its end; steps over the file at which it died.
    pub(super) fn ended(&self, pass: &mut Pass, result: Result<Report, JobError>) -> Result<(), Halted> {
        if let Err(error) = &result
            && let Some((folder, name)) = poison(error, &pass.cursor)
        {
            tracing::warn!(file = %name, "workers die at a file: it is stepped over");
            pass.step_over(folder, name);
        }
        count_restarts(pass, result)
    }
}

/// How a walk ended.
pub(super) fn count_restarts(pass: &mut Pass, result: Result<Report, JobError>) -> Result<(), Halted> {
    let report = result.map_err(|error| Halted::from(&error))?;
    if report.part != Part::Asked {
        let why = "somebody else has the same done".to_owned();
        return Err(Fault::Janitor(why).into());
    }
    pass.record.sums.restarts += u64::from(report.restarts);
    Ok(())
}

/// The file at which workers died, if nothing lies between it and the last step that was taken.
pub(super) fn poison(error: &JobError, taken: &Cursor) -> Option<(Folder, Name)> {
    match error {
        JobError::CircuitOpen {
            why: Failure::Silent { at: Some(name), .. } | Failure::Died { at: Some(name), .. },
            reached,
            ..
        } if reached == taken => Some((reached.folder(), name.clone())),
        _ => None,
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
