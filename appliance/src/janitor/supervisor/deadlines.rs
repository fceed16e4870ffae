//! What is to be done although nothing happens.
//!
//! Promises: a worker that has to say something and does not is told to stop, and one that does not stop is
//! killed, but not while it only gets too little of the CPU or the disk; whoever takes no steps ends its own job only. Must not know: what is said.

use tokio::time::Instant;

use super::{
    actor::Actor,
    lanes::Lane,
    run::{Cause, Phase, Run},
    silence::{Silence, Verdict},
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
            Some(_) => match &self.stopping {
                Some(stopping) => Some(stopping.look_at()),
                None => self.must_speak().then(|| self.silence.look_at()),
            },
        };
        [patience, worker].into_iter().flatten().min()
    }

    /// Whether the worker has to say something. One that waits for whoever has files removed has not; one that waits
    /// for a walk's asker still removes files.
    fn must_speak(&self) -> bool {
        let unlink = self.lanes[Lane::Unlink].run.as_ref();
        let waits = unlink.is_some_and(|run| matches!(run.phase, Phase::Delivering(_)));
        let works = self
            .lanes
            .runs()
            .any(|run| matches!(run.phase, Phase::Working(_)));
        works && !waits
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
        } else if self.is_hung(now) {
            if self.stopping.is_some() {
                let why = self.silent();
                self.kill(why).await;
            } else {
                for lane in Lane::BOTH {
                    self.cancel(lane, Cause::Silent).await;
                }
            }
        }
    }

    /// Looks at a worker that has to say something and does not, when it is time.
    fn is_hung(&mut self, now: Instant) -> bool {
        let must_speak = self.must_speak();
        let silence = match &mut self.stopping {
            Some(stopping) => stopping,
            None if must_speak => &mut self.silence,
            None => return false,
        };
        if now < silence.look_at() {
            return false;
        }
        match silence.look(now, self.post.vitals()) {
            Verdict::Early => false,
            Verdict::Starved => {
                self.post.spared();
                tracing::info!(
                    silent = ?now.duration_since(self.heard),
                    "the janitor's worker gets too little of the CPU or the disk: it is given more time"
                );
                false
            }
            Verdict::Hung => true,
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
                let (now, grace) = (Instant::now(), self.settings.grace);
                self.stopping.get_or_insert(match cause {
                    Cause::Silent => Silence::of_hung(now, grace),
                    Cause::Unread => Silence::from(now, grace),
                });
                self.say(&ToWorker::Cancel { job }).await;
            }
            Phase::Ready if cause == Cause::Unread => self.finish(lane, |run| Err(run.unread())),
            Phase::Ready | Phase::Cancelling(..) => {}
        }
    }

    /// The worker said something, or was told something that it is to answer.
    pub(super) fn hear(&mut self) {
        self.heard = Instant::now();
        self.silence = Silence::from(self.heard, self.settings.step_deadline);
    }

    /// Nothing is being cancelled any more: nothing has to stop.
    pub(super) fn ease(&mut self) {
        let cancelling = |run: &Run| matches!(run.phase, Phase::Cancelling(..));
        if !self.lanes.runs().any(cancelling) {
            self.stopping = None;
        }
    }
}
