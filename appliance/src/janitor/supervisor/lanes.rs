//! The jobs that there are: of each kind one under way, and those that wait for their turn.
//!
//! Removing goes beside everything else, so that there are two lanes. Promises: nobody waits in a lane that is
//! full; whoever asks for what is under way joins it. Must not know: workers.

use std::{
    collections::VecDeque,
    ops::{Index, IndexMut},
};

use super::{
    WAITING,
    run::{Phase, Run, Ticket},
};
use crate::janitor::{job::Job, protocol::JobId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Unlink,
    Walk,
}

impl Lane {
    pub(super) const BOTH: [Self; 2] = [Self::Unlink, Self::Walk];

    pub(super) const fn of(job: &Job) -> Self {
        match job {
            Job::Unlink(..) => Self::Unlink,
            Job::Walk(_) => Self::Walk,
        }
    }
}

/// One lane's jobs.
#[derive(Default)]
pub(super) struct Jobs {
    pub(super) run: Option<Run>,
    pub(super) waiting: VecDeque<Ticket>,
}

impl Jobs {
    /// Lets a job join the one under way, or wait; hands it back when too many do.
    pub(super) fn put(&mut self, ticket: Ticket) -> Result<(), Ticket> {
        let ticket = match &mut self.run {
            Some(run) => match run.join(ticket) {
                Ok(()) => return Ok(()),
                Err(ticket) => ticket,
            },
            None => ticket,
        };
        if self.waiting.len() >= WAITING {
            return Err(ticket);
        }
        self.waiting.push_back(ticket);
        Ok(())
    }

    /// Whether a worker is wanted. What the last one found is delivered first.
    pub(super) fn is_ready(&self) -> bool {
        let ready = |run: &Run| run.phase == Phase::Ready && run.undelivered.is_none();
        self.run.as_ref().is_some_and(ready)
    }
}

#[derive(Default)]
pub(super) struct Lanes {
    unlink: Jobs,
    walk: Jobs,
}

impl Lanes {
    /// The jobs under way.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        [&self.unlink, &self.walk]
            .into_iter()
            .filter_map(|jobs| jobs.run.as_ref())
    }

    pub(super) fn are_empty(&self) -> bool {
        self.runs().next().is_none()
    }

    pub(super) fn is_any_ready(&self) -> bool {
        self.unlink.is_ready() || self.walk.is_ready()
    }

    /// Where the worker's job of this number is under way.
    pub(super) fn find(&self, job: JobId) -> Option<Lane> {
        Lane::BOTH.into_iter().find(|lane| {
            let run = self[*lane].run.as_ref();
            run.is_some_and(|run| run.job() == Some(job))
        })
    }
}

impl Index<Lane> for Lanes {
    type Output = Jobs;

    fn index(&self, lane: Lane) -> &Jobs {
        match lane {
            Lane::Unlink => &self.unlink,
            Lane::Walk => &self.walk,
        }
    }
}

impl IndexMut<Lane> for Lanes {
    fn index_mut(&mut self, lane: Lane) -> &mut Jobs {
        match lane {
            Lane::Unlink => &mut self.unlink,
            Lane::Walk => &mut self.walk,
        }
    }
}
