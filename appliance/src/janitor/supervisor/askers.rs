//! What is owed to those who ask: their turn, each step once, and how it ended.
//!
//! Promises: every job that was accepted ends in one answer to each who asked for it. Must not know: how workers
//! come and go.

use tokio::{sync::mpsc, time::Instant};

use super::{
    actor::Actor,
    lanes::Lane,
    link::Kind,
    run::{Phase, Run, Step, Ticket},
};
use crate::janitor::{error::JobError, protocol::ToWorker};

impl Actor {
    pub(super) fn accept(&mut self, ticket: Ticket) {
        let lane = Lane::of(&ticket.job);
        if let Err(ticket) = self.lanes[lane].put(ticket) {
            let task = ticket.job.task();
            let _ = ticket.done.send(Err(JobError::Busy { task }));
        }
    }

    /// Lets jobs in while the circuit is closed.
    pub(super) fn admit(&mut self) {
        let rest = self.circuit.rest(Instant::now()).cloned();
        for lane in Lane::BOTH {
            let by_thread = lane == Lane::Unlink && self.post.has_thread();
            let refused = rest
                .as_ref()
                .filter(|rest| !(by_thread && rest.why.is_of_start()));
            let jobs = &mut self.lanes[lane];
            while jobs.run.is_none()
                && let Some(ticket) = jobs.waiting.pop_front()
            {
                let run = Run::new(ticket, Instant::now());
                match refused {
                    None => jobs.run = Some(run),
                    Some(rest) => {
                        self.counts.jobs_failed += 1;
                        let error = run.waits(rest);
                        run.finish(&Err(error));
                    }
                }
            }
        }
    }

    /// The asker takes a step.
    pub(super) async fn deliver(&mut self, lane: Lane, permit: mpsc::OwnedPermit<Step>) {
        let Some(run) = &mut self.lanes[lane].run else {
            return;
        };
        let Some(step) = run.undelivered.take() else {
            return;
        };
        let advance = run.taken(&step);
        let phase = run.phase;
        permit.send(step);
        if lane == Lane::Unlink {
            self.counts.files_removed += advance.files;
            self.counts.bytes_removed += advance.bytes;
        }
        if advance.further && self.post.kind() == Some(Kind::Process) {
            self.circuit.progressed();
        }
        if let Phase::Delivering(job) = phase {
            if let Some(run) = &mut self.lanes[lane].run {
                run.phase = Phase::Working(job);
            }
            self.hear();
            self.say(&ToWorker::Taken { job }).await;
        }
    }

    /// Ends a job that nobody works at.
    pub(super) fn finish(&mut self, lane: Lane, end: impl FnOnce(&Run) -> Result<(), JobError>) {
        let Some(run) = self.lanes[lane].run.take() else {
            return;
        };
        let end = end(&run);
        match &end {
            Ok(()) => self.counts.jobs_done += 1,
            Err(_) => self.counts.jobs_failed += 1,
        }
        self.hear();
        run.finish(&end);
    }

    /// Ends all jobs: there will be no worker for them.
    pub(super) fn refuse_all(&mut self) {
        for lane in Lane::BOTH {
            self.finish(lane, |run| Err(run.stopped()));
            for ticket in std::mem::take(&mut self.lanes[lane].waiting) {
                let run = Run::new(ticket, Instant::now());
                let stopped = run.stopped();
                run.finish(&Err(stopped));
            }
        }
    }
}
