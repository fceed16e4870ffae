//! What is to be done although nothing happens.
//!
//! Promises: a worker that has to say something and does not is told to stop, and one that does not stop is
//! killed; whoever takes no steps ends its own job only. Must not know: what is said.

use tokio::time::Instant;

use super::{
    actor::Actor,
    lanes::Lane,
    run::{Cause, Phase, Run},
};
use crate::janitor::protocol::ToWorker;

impl Actor {
    /// When [`Actor::time`] is to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let patience = self
            .lanes
            .runs()
            .filter(|run| run.undelivered.is_some())
            .map(|run| run.patience)
            .min();
        let worker = match self.post.kind() {
            None => None,
            Some(_) if self.lanes.are_empty() => Some(self.heard + self.settings.idle_after),
            Some(_) => self.stop_by.or_else(|| self.silence()),
        };
        [patience, worker].into_iter().flatten().min()
    }

    /// When the worker will have been silent for too long. One that waits for whoever has files removed is not
    /// silent; one that waits for a walk's asker still removes files.
    fn silence(&self) -> Option<Instant> {
        let unlink = self.lanes[Lane::Unlink].run.as_ref();
        let waits = unlink.is_some_and(|run| matches!(run.phase, Phase::Delivering(_)));
        let works = self
            .lanes
            .runs()
            .any(|run| matches!(run.phase, Phase::Working(_)));
        (works && !waits).then(|| self.heard + self.settings.step_deadline)
    }

    pub(super) async fn time(&mut self) {
        let now = Instant::now();
        for lane in Lane::BOTH {
            let run = self.lanes[lane].run.as_ref();
            if run.is_some_and(|run| run.undelivered.is_some() && run.patience <= now) {
                self.cancel(lane, Cause::Unread).await;
            }
        }
        if self.lanes.are_empty() {
            if self.heard + self.settings.idle_after <= now {
                self.send_away().await;
            }
        } else if self.stop_by.is_some_and(|by| by <= now) {
            let why = self.silent();
            self.kill(why).await;
        } else if self.stop_by.is_none() && self.silence().is_some_and(|by| by <= now) {
            for lane in Lane::BOTH {
                self.cancel(lane, Cause::Silent).await;
            }
        }
    }

    /// Stops a job, whoever has it.
    pub(super) async fn cancel(&mut self, lane: Lane, cause: Cause) {
        let Some(run) = &mut self.lanes[lane].run else {
            return;
        };
        match run.phase {
            Phase::Working(job) | Phase::Delivering(job) => {
                run.phase = Phase::Cancelling(job, cause);
                run.undelivered = None;
                self.stop_by.get_or_insert(Instant::now() + self.settings.grace);
                self.say(&ToWorker::Cancel { job }).await;
            }
            Phase::Ready if cause == Cause::Unread => self.finish(lane, |run| Err(run.unread())),
            Phase::Ready | Phase::Cancelling(..) => {}
        }
    }

    /// Nothing is being cancelled any more: nothing has to stop.
    pub(super) fn ease(&mut self) {
        let cancelling = |run: &Run| matches!(run.phase, Phase::Cancelling(..));
        if !self.lanes.runs().any(cancelling) {
            self.stop_by = None;
        }
    }
}
