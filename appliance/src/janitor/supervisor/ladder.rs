//! Starting a worker, giving it orders, hearing it, and getting rid of it.
//!
//! Promises: each way in which a worker can go wrong is one [`Failure`], after which its jobs go on from where
//! they were with another worker, or end when the circuit opens. Must not know: askers.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::time::{Instant, timeout};

use super::{
    MOST_ABANDONED,
    actor::{Actor, UNLINK, WALK},
    circuit::Verdict,
    link::{Gone, Kind, Link},
    run::{Cause, Phase, Stuck},
    starter::NotStarted,
};
use crate::{
    janitor::{
        error::Failure,
        job::Pace,
        place::Name,
        protocol::{End, FromWorker, ToWorker, VERSION},
    },
    source::chain,
};

impl Actor {
    pub(super) async fn start(&mut self, kind: Kind) -> Result<(), Failure> {
        let count = self.abandoned.load(Relaxed);
        if count >= MOST_ABANDONED {
            return Err(Failure::Abandoned { count });
        }
        let within = self.settings.start_deadline;
        let starter = match (kind, &mut self.thread) {
            (Kind::Thread, Some(thread)) => thread,
            _ => &mut self.process,
        };
        let started = starter.start(within).await.map_err(|error| match error {
            NotStarted::Failed(error) => Failure::Start(Arc::new(error)),
            NotStarted::TooLate => Failure::StartHung { within },
        })?;
        self.counts.started += 1;
        let mut link = Link::open(started, kind);
        // One that takes no greeting will not answer it either.
        let _ = link.send(&ToWorker::Hello {
            version: VERSION,
            folder: self.settings.folder.clone(),
            memory: self.settings.memory,
        });
        let heard = timeout(within, link.answer()).await;
        self.link = Some(link);
        self.stop_by = None;
        self.heard = Instant::now();
        match heard {
            Ok(Some(Ok(FromWorker::Hello { version, limits }))) if version == VERSION => {
                let told: Vec<_> = limits.iter().map(ToString::to_string).collect();
                let process = self.link.as_ref().and_then(Link::id);
                tracing::debug!(
                    process,
                    limits = told.join("; "),
                    "a worker of the janitor has started"
                );
                self.said.clone_from(&limits);
                self.limits = limits;
                Ok(())
            }
            Ok(Some(Ok(other))) => Err(self.end_badly(nonsense(&other)).await),
            Ok(Some(Err(error))) => Err(self.end_badly(Failure::Nonsense { what: chain(&error) }).await),
            Ok(None) => Err(self.buried(None).await),
            Err(_) => Err(self.end_badly(Failure::Silent { within, at: None }).await),
        }
    }

    /// Gives the worker what is ready for it.
    pub(super) async fn order(&mut self) {
        let Some(kind) = self.link.as_ref().map(|link| link.kind) else {
            return;
        };
        for lane in [UNLINK, WALK] {
            // It can have gone at the first order: the second is for its successor.
            if self.link.is_none() {
                return;
            }
            if !self.lanes[lane].is_ready() || (kind == Kind::Thread && lane == WALK) {
                continue;
            }
            let Some(run) = &mut self.lanes[lane].run else {
                continue;
            };
            self.next += 1;
            run.phase = Phase::Working(self.next);
            let order = ToWorker::Begin {
                job: self.next,
                pace: self.settings.bounded(run.pace),
                order: run.order(),
                careful: match run.stuck {
                    Stuck::No => 0,
                    Stuck::Perhaps => u64::from(Pace::MOST_FILES),
                },
            };
            self.heard = Instant::now();
            self.send(&order).await;
        }
    }

    /// Tells the worker something, and gets rid of it when it does not listen.
    pub(super) async fn send(&mut self, message: &ToWorker) {
        let deaf = self.link.as_ref().is_some_and(|link| link.send(message).is_err());
        if deaf {
            self.nonsense("it takes no orders".into()).await;
        }
    }

    pub(super) async fn answered(&mut self, answer: FromWorker) {
        self.heard = Instant::now();
        match answer {
            FromWorker::Step {
                job,
                findings,
                progress,
            } => {
                let patience = self.heard + self.settings.patience;
                let run = self.lanes.iter_mut().filter_map(|lane| lane.run.as_mut());
                match run.into_iter().find(|run| run.job() == Some(job)) {
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
            FromWorker::Ended { job, end } => {
                let found = [UNLINK, WALK].into_iter().find(|lane| {
                    let run = self.lanes[*lane].run.as_ref();
                    run.is_some_and(|run| run.job() == Some(job))
                });
                match found {
                    Some(lane) => self.ended(lane, end).await,
                    None => {
                        self.nonsense(format!("the end of job {job}, which does not run"))
                            .await;
                    }
                }
            }
            other @ FromWorker::Hello { .. } => {
                let why = nonsense(&other);
                self.kill(why).await;
            }
        }
    }

    async fn ended(&mut self, lane: usize, end: End) {
        let Some(run) = &mut self.lanes[lane].run else {
            return;
        };
        match (run.phase, end) {
            (Phase::Working(_), End::Finished) if run.is_done() => {
                self.well();
                self.finish(lane, Some(Ok(())));
            }
            (Phase::Working(_), End::Finished) => run.phase = Phase::Ready,
            (Phase::Working(_) | Phase::Cancelling(..), End::Refused { operation, why }) => {
                let refused = run.refused(operation, why);
                self.well();
                self.finish(lane, Some(Err(refused)));
            }
            (Phase::Cancelling(_, Cause::Unread), _) => self.finish(lane, None),
            // It was slow, not dead: it is kept, but this was no good.
            (Phase::Cancelling(_, Cause::Silent), _) => {
                let within = self.settings.step_deadline;
                let at = run.now.at.clone();
                run.orphaned();
                let kind = self.link.as_ref().map_or(Kind::Process, |link| link.kind);
                self.failed(Failure::Silent { within, at }, kind);
            }
            (phase, end) => return self.nonsense(format!("{end:?} while {phase:?}")).await,
        }
        let cancelling = |lane: &super::actor::Lane| {
            let run = lane.run.as_ref();
            run.is_some_and(|run| matches!(run.phase, Phase::Cancelling(..)))
        };
        if !self.lanes.iter().any(cancelling) {
            self.stop_by = None;
        }
    }

    /// The worker has shown that it can.
    fn well(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.kind == Kind::Process) {
            self.circuit.progressed();
        }
    }

    pub(super) fn silent(&self) -> Failure {
        Failure::Silent {
            within: self.settings.step_deadline + self.settings.grace,
            at: self.in_hand(),
        }
    }

    /// The file at which the worker may be.
    fn in_hand(&self) -> Option<Name> {
        let runs = self.lanes.iter().filter_map(|lane| lane.run.as_ref());
        runs.filter(|run| run.job().is_some())
            .find_map(|run| run.now.at.clone())
    }

    pub(super) async fn nonsense(&mut self, what: String) {
        self.kill(Failure::Nonsense { what }).await;
    }

    /// Ends a worker that is no good, and takes its jobs from it.
    pub(super) async fn kill(&mut self, why: Failure) {
        let kind = self.link.as_ref().map_or(Kind::Process, |link| link.kind);
        let why = self.end_badly(why).await;
        self.orphan(why, kind);
    }

    /// The worker has closed its pipe.
    pub(super) async fn died(&mut self) {
        let kind = self.link.as_ref().map_or(Kind::Process, |link| link.kind);
        let at = self.in_hand();
        let why = self.buried(at).await;
        self.orphan(why, kind);
    }

    fn orphan(&mut self, why: Failure, kind: Kind) {
        let mut jobs = 0;
        for lane in [UNLINK, WALK] {
            let Some(run) = &mut self.lanes[lane].run else {
                continue;
            };
            match run.phase {
                Phase::Cancelling(_, Cause::Unread) => self.finish(lane, None),
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
        let may_use_thread = kind == Kind::Process && why.is_of_start() && self.thread.is_some();
        let Verdict::Open(rest) = self.circuit.failed(Instant::now(), why) else {
            return;
        };
        let wait = rest.until - Instant::now();
        tracing::error!(cause = %chain(&rest.why), ?wait, "the janitor's worker is left alone for a while");
        for lane in [UNLINK, WALK] {
            if lane == UNLINK && may_use_thread {
                continue;
            }
            if let Some(run) = &self.lanes[lane].run
                && run.phase == Phase::Ready
            {
                let error = run.waits(&rest);
                self.finish(lane, Some(Err(error)));
            }
        }
    }

    async fn end_badly(&mut self, why: Failure) -> Failure {
        self.end(None).await;
        why
    }

    /// Finds out how a worker died.
    async fn buried(&mut self, at: Option<Name>) -> Failure {
        let (ending, last_words) = self.end(Some(self.settings.grace)).await;
        Failure::Died {
            ending,
            last_words,
            at,
        }
    }

    /// Ends a worker that has nothing to do.
    pub(super) async fn send_away(&mut self) {
        if self.link.is_some() {
            let died = self.counts.died;
            self.end(Some(self.settings.grace)).await;
            // It was asked to.
            self.counts.died = died;
        }
    }

    async fn end(&mut self, grace: Option<Duration>) -> (crate::janitor::start::Ending, String) {
        use crate::janitor::start::Ending;
        self.stop_by = None;
        self.limits = Vec::new();
        let Some(link) = self.link.take() else {
            return (Ending::Other("there was none".into()), String::new());
        };
        let (gone, words) = link.end(grace, self.settings.kill_grace).await;
        let ending = match gone {
            Gone::Left(ending) => {
                self.counts.died += 1;
                ending
            }
            Gone::Killed => {
                self.counts.killed += 1;
                Ending::Other("it was killed".into())
            }
            Gone::Stays(mut process) => {
                self.counts.killed += 1;
                self.counts.hung += 1;
                self.abandoned.fetch_add(1, Relaxed);
                tracing::error!(
                    process = process.id(),
                    "a worker of the janitor ignores that it was killed"
                );
                let abandoned = self.abandoned.clone();
                tokio::spawn(async move {
                    process.wait().await;
                    abandoned.fetch_sub(1, Relaxed);
                });
                Ending::Other("it was killed and is still there".into())
            }
        };
        (ending, words)
    }
}

fn nonsense(answer: &FromWorker) -> Failure {
    let what = match answer {
        FromWorker::Hello { version, .. } => format!("a greeting in version {version}, not {VERSION}"),
        FromWorker::Step { job, .. } | FromWorker::Ended { job, .. } => {
            format!("an answer about job {job} instead of a greeting")
        }
    };
    Failure::Nonsense { what }
}
