//! A recovery: what nobody lists is read by the worker, and listed if it is whole.
//!
//! Three parts, each of them walks of the worker: through the names under `blobs/`, by which rows without files and
//! files without rows are found; through those files' bytes; through what else lies there. The first two take turns
//! when there is much to be read. Nothing of it is remembered beyond the process: what was adopted has a row, and is
//! not read again.
//!
//! Promises: see [`super`]; only what was read, and is on the medium, is listed. Must not know: when a recovery is due.

use tokio::sync::Notify;

use super::{
    halted::Halted,
    pass::Pass,
    record::Fault,
    run::{Pause, Run, count_restarts, poison},
    scrub::is_of_the_medium,
    walking::{Next, Walking},
};
use crate::{
    cache::Examined,
    clock::Timestamp,
    janitor::{Cursor, Finding, Folder, Name, Step, Walk},
};

/// How far a part has come.
enum Part {
    All,
    Some,
    Interrupted,
}

impl Run<'_> {
    pub(super) async fn recover(&mut self, pass: &mut Pass, stop: &Notify) -> Result<Pause, Halted> {
        self.remove_condemned(pass).await?;
        loop {
            let survey = self.survey(pass, stop).await?;
            if let Part::Interrupted = survey {
                return Ok(Pause::Interrupted);
            }
            if let Part::Interrupted = self.verify(pass, stop).await? {
                return Ok(Pause::Interrupted);
            }
            if let Part::All = survey {
                break;
            }
        }
        self.forget_lost_fills(pass).await?;
        if let Some((count, why)) = pass.search.try_again() {
            return Err(Fault::Disk(format!("{count} files cannot be read for now: {why}")).into());
        }
        if let Some(era) = pass.search.era {
            self.cache.settle(era);
        }
        Ok(Pause::Done)
    }

    /// Goes through names: until enough wait to be read, or to the end of the blobs, or to the end.
    async fn survey(&mut self, pass: &mut Pass, stop: &Notify) -> Result<Part, Halted> {
        let mut walking = self.walking(pass.walk(None), self.settings.scan_pace);
        loop {
            match walking.next(stop).await {
                Next::Step(step, since) => {
                    let blobs = pass.cursor.folder() == Folder::Blobs;
                    let taken = self.take(pass, &mut walking, &step, since).await;
                    let changes = blobs && pass.cursor.folder() != Folder::Blobs;
                    if taken.is_err() || changes || pass.search.is_full() {
                        walking.leave().await;
                        return taken.map(|()| Part::Some);
                    }
                }
                Next::Stopped => {
                    walking.leave().await;
                    return Ok(Part::Interrupted);
                }
                Next::Ended(result) => {
                    self.ended(pass, result)?;
                    pass.suspect = None;
                    return Ok(Part::All);
                }
            }
        }
    }

    /// Of the step that leaves the blobs only they count: what is found without a row is listed before partials and
    /// fills' rows are looked at, which tell whose it is.
    pub(super) async fn surveyed(&mut self, pass: &mut Pass, step: &Step) -> Result<(), Halted> {
        let reached = &step.progress.cursor;
        let leaves = pass.cursor.folder() == Folder::Blobs && reached.folder() != Folder::Blobs;
        let (sight, reached) = if leaves {
            let blobs = step.findings.iter().filter(|finding| is_of_blobs(finding));
            (self.look(pass, blobs), Cursor::start_of(Folder::Fills))
        } else {
            (self.look(pass, &step.findings), reached.clone())
        };
        let files = sight.files();
        let compared = self.scanned(pass, sight, &reached).await?;
        pass.record.sums.files += files;
        pass.done(reached, compared);
        Ok(())
    }

    /// Reads all that waits to be read.
    async fn verify(&mut self, pass: &mut Pass, stop: &Notify) -> Result<Part, Halted> {
        loop {
            let names = pass.search.next();
            if names.is_empty() {
                return Ok(Part::All);
            }
            if let Part::Interrupted = self.verify_some(pass, &names, stop).await? {
                return Ok(Part::Interrupted);
            }
        }
    }

    async fn verify_some(&mut self, pass: &mut Pass, names: &[Name], stop: &Notify) -> Result<Part, Halted> {
        let walk = Walk::Verify {
            from: Cursor::START,
            names: names.to_vec(),
        };
        let mut walking = self.walking(walk, self.settings.verify_pace);
        let (mut taken, mut read) = (Cursor::START, 0);
        loop {
            match walking.next(stop).await {
                Next::Step(step, since) => {
                    let reached = &step.progress.cursor;
                    let upto =
                        names.partition_point(|name| reached.after().is_some_and(|after| name <= after));
                    let done = self.verified(pass, &mut walking, &step, since).await;
                    let done = match done {
                        Ok(()) => self.read(pass, upto.saturating_sub(read), since).await,
                        Err(halted) => Err(halted),
                    };
                    self.count(pass);
                    if let Err(halted) = done {
                        walking.leave().await;
                        return Err(halted);
                    }
                    (taken, read) = (reached.clone(), upto.max(read));
                }
                Next::Stopped => {
                    walking.leave().await;
                    return Ok(Part::Interrupted);
                }
                Next::Ended(result) => {
                    if let Err(error) = &result
                        && let Some((_, name)) = poison(error, &taken)
                        && let Some(digest) = name.digest()
                    {
                        tracing::warn!(%digest, "workers die at a file: others are read before it");
                        if let Some(digest) = pass.search.blame(digest) {
                            pass.record.sums.unreadable += 1;
                            self.blamed(digest, self.settings.clock.now()).await?;
                        }
                    }
                    count_restarts(pass, result)?;
                    // Of what is not told of, nothing is there.
                    return self
                        .read(pass, names.len() - read, self.settings.clock.now())
                        .await
                        .map(|()| Part::All);
                }
            }
        }
    }

    /// So many do not come up again. What has shown a file to be the one at which workers die is told.
    async fn read(&mut self, pass: &mut Pass, count: usize, since: Timestamp) -> Result<(), Halted> {
        if let Some(digest) = pass.search.read(count) {
            pass.record.sums.unreadable += 1;
            self.blamed(digest, since).await?;
        }
        Ok(())
    }

    /// Does what follows from a step of reading.
    async fn verified(
        &mut self,
        pass: &mut Pass,
        walking: &mut Walking<'_>,
        step: &Step,
        since: Timestamp,
    ) -> Result<(), Halted> {
        let (mut whole, mut wrong, mut off) = (Vec::new(), Vec::new(), Vec::new());
        for finding in &step.findings {
            match finding {
                Finding::Whole { name, stamp } => whole.extend(name.digest().map(|digest| Examined {
                    digest,
                    stamp: *stamp,
                })),
                Finding::Wrong { name, found, stamp } => {
                    let Some(digest) = name.digest() else { continue };
                    tracing::warn!(%digest, %found, size = stamp.size(), "a file that nobody lists is not what its name says");
                    wrong.push(Examined {
                        digest,
                        stamp: *stamp,
                    });
                }
                Finding::Unreadable { name, why, .. } => {
                    tracing::warn!(file = %name, %why, "a file that nobody lists cannot be read");
                    off.extend(name.digest().map(|digest| (digest, why)));
                }
                _ => {}
            }
        }
        let adopted = self.cache.adopt(whole).await?;
        pass.record.sums.shown += adopted.shown;
        pass.record.sums.hidden += adopted.hidden;
        if !wrong.is_empty() {
            let condemned = self.cache.condemn_unlisted(wrong).await?;
            pass.record.sums.mismatched += condemned.len() as u64;
            if !condemned.is_empty() {
                self.remove_files(condemned).await?;
            }
        }
        for (digest, why) in off {
            if why.errno.is_some_and(is_of_the_medium) {
                self.off_the_list(digest, since).await?;
                pass.record.sums.unreadable += 1;
            } else {
                pass.search.put_off([digest], &why.to_string());
            }
        }
        pass.search
            .put_off(adopted.changed, "it was written while it was read");
        pass.record.sums.bytes += walking.count(step).bytes;
        Ok(())
    }
}

fn is_of_blobs(finding: &Finding) -> bool {
    match finding {
        Finding::File { folder, .. }
        | Finding::Foreign { folder, .. }
        | Finding::Unreadable { folder, .. } => *folder == Folder::Blobs,
        _ => false,
    }
}
