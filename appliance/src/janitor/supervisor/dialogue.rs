//! What the worker is told, and what its answers mean.
//!
//! Promises: an answer that was not waited for ends the worker; one that crossed a cancel is let pass. Must not
//! know: how a worker is replaced.

use super::{
    actor::Actor,
    lanes::Lane,
    link::Kind,
    run::{Cause, Phase, Stuck},
};
use crate::janitor::{
    error::Failure,
    job::{Finding, Pace, Progress},
    protocol::{End, FromWorker, JobId, ToWorker, VERSION},
};

impl Actor {
    /// Gives the worker what is ready for it.
    pub(super) async fn order(&mut self) {
        for lane in Lane::BOTH {
            // It can have gone at the first order: the second is for its successor.
            let Some(kind) = self.post.kind() else { return };
            if !self.lanes[lane].is_ready() || (kind == Kind::Thread && lane == Lane::Walk) {
                continue;
            }
            let Some(run) = &mut self.lanes[lane].run else {
                continue;
            };
            self.last += 1;
            run.phase = Phase::Working(self.last);
            let order = ToWorker::Begin {
                job: self.last,
                pace: self.settings.bounded(run.pace),
                order: run.order(),
                careful: match run.stuck {
                    Stuck::No => 0,
                    Stuck::Perhaps => u64::from(Pace::MOST_FILES),
                },
            };
            self.hear();
            self.say(&order).await;
        }
    }

    /// Tells the worker something, and gets rid of it when it does not listen.
    pub(super) async fn say(&mut self, message: &ToWorker) {
        if self.post.send(message).is_err() {
            self.nonsense("it takes no orders".into()).await;
        }
    }

    pub(super) async fn answered(&mut self, answer: FromWorker) {
        self.hear();
        match answer {
            FromWorker::Step {
                job,
                findings,
                progress,
            } => self.stepped(job, findings, progress).await,
            FromWorker::Ended { job, end } => match self.lanes.find(job) {
                Some(lane) => self.ended(lane, end).await,
                None => {
                    self.nonsense(format!("the end of job {job}, which does not run"))
                        .await;
                }
            },
            FromWorker::Hello { version, .. } => {
                let what = format!("a greeting in version {version}, not {VERSION}");
                self.nonsense(what).await;
            }
        }
    }

    async fn stepped(&mut self, job: JobId, findings: Vec<Finding>, progress: Progress) {
        let patience = self.heard + self.settings.patience;
        let run = match self.lanes.find(job) {
            Some(lane) => self.lanes[lane].run.as_mut(),
            None => None,
        };
        match run {
            Some(run) if run.phase == Phase::Working(job) => {
                run.stepped(findings, progress, patience);
                run.phase = Phase::Delivering(job);
            }
            // It crossed the cancel: what it tells is done again.
            Some(run) if matches!(run.phase, Phase::Cancelling(..)) => {}
            _ => {
                self.nonsense(format!("a step of job {job}, which waits for none"))
                    .await;
            }
        }
    }

    async fn ended(&mut self, lane: Lane, end: End) {
        let Some(run) = &mut self.lanes[lane].run else {
            return;
        };
        match (run.phase, end) {
            (Phase::Working(_), End::Finished) if run.is_done() => {
                self.well();
                self.finish(lane, |_| Ok(()));
            }
            (Phase::Working(_), End::Finished) => run.phase = Phase::Ready,
            (Phase::Working(_) | Phase::Cancelling(..), End::Refused { operation, why }) => {
                self.well();
                self.finish(lane, |run| Err(run.refused(operation, why)));
            }
            (Phase::Cancelling(_, Cause::Unread), _) => self.finish(lane, |run| Err(run.unread())),
            // It was slow, not dead: it is kept, but this was no good.
            (Phase::Cancelling(_, Cause::Silent), _) => {
                let within = self.settings.step_deadline;
                let at = run.now.at.clone();
                run.orphaned();
                let kind = self.post.kind().unwrap_or(Kind::Process);
                self.failed(Failure::Silent { within, at }, kind);
            }
            (phase, end) => return self.nonsense(format!("{end:?} while {phase:?}")).await,
        }
        self.ease();
    }

    /// The worker has shown that it can.
    fn well(&mut self) {
        if self.post.kind() == Some(Kind::Process) {
            self.circuit.progressed();
        }
    }
}
