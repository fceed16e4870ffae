//! A worker that is no good: how it is got rid of, and what becomes of its jobs.
//!
//! Promises: each way in which a worker can go wrong is one [`Failure`], after which its jobs go on from where
//! they were with another worker, or end when the circuit opens. Must not know: askers.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    actor::Actor,
    circuit::Verdict,
    lanes::Lane,
    link::Kind,
    post::Parting,
    run::{Cause, Phase},
};
use crate::{
    janitor::{error::Failure, place::Name},
    source::chain,
};

impl Actor {
    /// Ends a worker that is no good, and takes its jobs from it.
    pub(super) async fn kill(&mut self, why: Failure) {
        let kind = self.post.kind().unwrap_or(Kind::Process);
        self.part(Parting::Killed).await;
        self.orphan(why, kind);
    }

    pub(super) async fn nonsense(&mut self, what: String) {
        self.kill(Failure::Nonsense { what }).await;
    }

    /// The worker has closed its pipe.
    pub(super) async fn died(&mut self) {
        let kind = self.post.kind().unwrap_or(Kind::Process);
        let at = self.in_hand();
        self.stopping = None;
        let why = self.post.bury(at).await;
        self.orphan(why, kind);
    }

    /// Ends a worker that has nothing to do.
    pub(super) async fn send_away(&mut self) {
        self.part(Parting::Dismissed).await;
    }

    /// The thread is for removing files, while no process can be started.
    pub(super) async fn send_away_idle_thread(&mut self) {
        if self.post.kind() == Some(Kind::Thread) && self.lanes[Lane::Unlink].run.is_none() {
            self.send_away().await;
        }
    }

    async fn part(&mut self, parting: Parting) {
        self.stopping = None;
        self.post.end(parting).await;
    }

    /// What is wrong with a worker that says nothing.
    pub(super) fn silent(&self) -> Failure {
        let milliseconds = u64::try_from(self.heard.elapsed().as_millis()).unwrap_or(u64::MAX);
        Failure::Silent {
            within: Duration::from_millis(milliseconds),
            at: self.in_hand(),
        }
    }

    /// The file at which the worker may be.
    fn in_hand(&self) -> Option<Name> {
        let mut runs = self.lanes.runs().filter(|run| run.job().is_some());
        runs.find_map(|run| run.now.at.clone())
    }

    fn orphan(&mut self, why: Failure, kind: Kind) {
        let mut jobs = 0;
        for lane in Lane::BOTH {
            let Some(run) = &mut self.lanes[lane].run else {
                continue;
            };
            match run.phase {
                Phase::Cancelling(_, Cause::Unread) => self.finish(lane, |run| Err(run.unread())),
                Phase::Ready => {}
                _ => {
                    jobs += 1;
                    run.orphaned();
                }
            }
        }
        tracing::warn!(cause = %chain(&why), jobs, "a worker of the janitor failed");
        // One that had nothing to do has failed at nothing.
        if jobs > 0 {
            self.failed(why, kind);
        }
    }

    /// Counts a failure. When the circuit opens, the jobs end, but for what a thread can do instead.
    pub(super) fn failed(&mut self, why: Failure, kind: Kind) {
        let may_use_thread = kind == Kind::Process && why.is_of_start() && self.post.has_thread();
        let Verdict::Open(rest) = self.circuit.failed(Instant::now(), why) else {
            return;
        };
        let wait = rest.until - Instant::now();
        tracing::error!(cause = %chain(&rest.why), ?wait, "the janitor's worker is left alone for a while");
        for lane in Lane::BOTH {
            let run = self.lanes[lane].run.as_ref();
            let is_ready = run.is_some_and(|run| run.phase == Phase::Ready);
            if is_ready && !(lane == Lane::Unlink && may_use_thread) {
                self.finish(lane, |run| Err(run.waits(&rest)));
            }
        }
    }
}
