//! One walk of the worker, step by step.
//!
//! Promises: a walk that is left has ended when [`Walking::leave`] returns, so that the worker is free for others. Must
//! not know: what the steps say.

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};

use super::{settings::Settings, walker::Walker};
use crate::{
    clock::{Clock, Timestamp},
    heartbeat::Beat,
    janitor::{JobError, Pace, Report, Step, Walk},
};

/// A walk under way.
pub(super) struct Walking<'a> {
    walk: BoxFuture<'a, Result<Report, JobError>>,
    steps: mpsc::Receiver<Step>,
    ended: Option<Result<Report, JobError>>,
    clock: &'a Clock,
    beat: &'a Beat,
    since: Timestamp,
    counted: Counted,
}

/// What of a walk was counted already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// What comes next.
pub(super) enum Next {
    /// The worker looked at what it tells after this time.
    Step(Step, Timestamp),
    /// There is something else to do. The walk goes on until it is left.
    Stopped,
    Ended(Result<Report, JobError>),
}

impl<'a> Walking<'a> {
    pub(super) fn begin(walker: &'a dyn Walker, walk: Walk, pace: Pace, settings: &'a Settings) -> Self {
        let (told, steps) = mpsc::channel(1);
        Self {
            walk: walker.walk(walk, pace, told),
            steps,
            ended: None,
            since: settings.clock.now(),
            clock: &settings.clock,
            beat: &settings.beat,
            counted: Counted::default(),
        }
    }

    /// The previous step is done.
    pub(super) async fn next(&mut self, stop: &Notify) -> Next {
        loop {
            let step = tokio::select! {
                biased;
                () = stop.notified(), if self.ended.is_none() => return Next::Stopped,
                step = self.steps.recv() => step,
                result = &mut self.walk, if self.ended.is_none() => {
                    self.ended = Some(result);
                    continue;
                }
            };
            self.beat.step();
            let Some(step) = step else { break };
            let since = std::mem::replace(&mut self.since, self.clock.now());
            return Next::Step(step, since);
        }
        Next::Ended(match self.ended.take() {
            Some(result) => result,
            None => (&mut self.walk).await,
        })
    }

    /// What a step came to on top of the one before.
    pub(super) fn count(&mut self, step: &Step) -> Counted {
        let now = Counted {
            files: step.progress.files,
            bytes: step.progress.bytes,
        };
        let before = std::mem::replace(&mut self.counted, now);
        Counted {
            files: now.files.saturating_sub(before.files),
            bytes: now.bytes.saturating_sub(before.bytes),
        }
    }

    /// Ends it, wherever it is.
    pub(super) async fn leave(self) {
        drop(self.steps);
        if self.ended.is_none() {
            // The same is done again.
            let _ = self.walk.await;
        }
    }
}
