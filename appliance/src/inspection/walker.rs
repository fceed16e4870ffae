//! Who walks through the files.
//!
//! A trait, so that an inspection can be tried with a walk that sees, fails and waits as a test says.

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::sync::mpsc;

use crate::janitor::{Job, JobError, Pace, Report, Step, Supervisor, Walk};

/// Walks, and hands over step by step what it saw. Each must be taken before the next but one is made; dropping the
/// receiver ends the walk.
pub trait Walker: Send + Sync + 'static {
    fn walk(
        &self,
        walk: Walk,
        pace: Pace,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'_, Result<Report, JobError>>;
}

impl Walker for Supervisor {
    fn walk(
        &self,
        walk: Walk,
        pace: Pace,
        steps: mpsc::Sender<Step>,
    ) -> BoxFuture<'_, Result<Report, JobError>> {
        self.run(Job::Walk(walk), pace, steps).boxed()
    }
}
