//! One job from its first order to its last, over as many workers as it takes.
//!
//! Promises: what counts as reached is what the asker has taken. Must not know: workers.

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{circuit::Rest, state::JobState};
use crate::janitor::{
    error::JobError,
    job::{Finding, Job, Pace, Progress, Refusal, Task, Walk},
    place::{Cursor, Folder, Name},
    protocol::{JobId, MOST_UNLINKS, Order},
};

/// What was found in one step, and how far the job has come with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub findings: Vec<Finding>,
    pub progress: Progress,
}

/// A job that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub progress: Progress,
    /// How many workers failed at it.
    pub restarts: u32,
    pub part: Part,
}

/// Who got the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one who asked.
    Asked,
    /// The same job was under way: who had asked for it got them.
    Joined,
}

pub(super) type Outcome = Result<Report, JobError>;

/// A job that somebody waits for.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) job: Job,
    pub(super) pace: Pace,
    pub(super) steps: mpsc::Sender<Step>,
    pub(super) done: oneshot::Sender<Outcome>,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No worker has it.
    Ready,
    /// The worker has it, and has to say something.
    Working(JobId),
    /// The worker waits until the asker has taken a step.
    Delivering(JobId),
    /// The worker was told to stop.
    Cancelling(JobId, Cause),
}

/// Why a job is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Nobody takes its steps.
    Unread,
    /// The worker says nothing.
    Silent,
}

/// Whether a file may be to blame for the last failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    No,
    Perhaps,
}

/// What a step came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advance {
    /// Everything up to a later place is done.
    pub(super) further: bool,
    pub(super) files: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Run {
    what: What,
    asked: Job,
    pub(super) pace: Pace,
    pub(super) steps: mpsc::Sender<Step>,
    done: oneshot::Sender<Outcome>,
    joined: Vec<oneshot::Sender<Outcome>>,
    pub(super) phase: Phase,
    /// What earlier orders came to.
    base: Progress,
    /// With what the present order came to, as far as the asker has taken it.
    pub(super) now: Progress,
    pub(super) undelivered: Option<Step>,
    /// By when it must be delivered.
    pub(super) patience: Instant,
    /// The last worker died before it had come further.
    pub(super) stuck: Stuck,
    pub(super) since: Instant,
    pub(super) restarts: u32,
}

#[derive(Debug)]
enum What {
    /// In order, each once.
    Unlink(Folder, Vec<Name>),
    Walk(Walk),
}

impl Run {
    pub(super) fn new(ticket: Ticket, now: Instant) -> Self {
        let (what, from) = match &ticket.job {
            Job::Unlink(folder, digests) => {
                let mut names: Vec<Name> = digests.iter().map(Name::from).collect();
                names.sort_unstable();
                names.dedup();
                (What::Unlink(*folder, names), Cursor::START)
            }
            Job::Walk(walk) => (What::Walk(walk.clone()), walk.from().clone()),
        };
        Self {
            what,
            asked: ticket.job,
            pace: ticket.pace,
            steps: ticket.steps,
            done: ticket.done,
            joined: Vec::new(),
            phase: Phase::Ready,
            base: Progress::at(from.clone()),
            now: Progress::at(from),
            undelivered: None,
            patience: now,
            stuck: Stuck::No,
            since: now,
            restarts: 0,
        }
    }

    pub(super) fn task(&self) -> Task {
        self.asked.task()
    }

    /// Takes in one who asks for the same, or hands it back.
    pub(super) fn join(&mut self, ticket: Ticket) -> Result<(), Ticket> {
        if self.asked != ticket.job {
            return Err(ticket);
        }
        self.joined.push(ticket.done);
        Ok(())
    }

    /// What the next worker is to do.
    pub(super) fn order(&mut self) -> Order {
        self.base = self.now.clone();
        let reached = self.now.cursor.clone();
        match &self.what {
            What::Unlink(folder, names) => {
                let left = &names[Self::settled(names, &reached)..];
                Order::Unlink {
                    folder: *folder,
                    names: left.iter().take(MOST_UNLINKS).cloned().collect(),
                }
            }
            What::Walk(walk) => Order::Walk(walk.resumed(reached)),
        }
    }

    fn settled(names: &[Name], reached: &Cursor) -> usize {
        names.partition_point(|name| reached.after().is_some_and(|after| name <= after))
    }

    /// The worker has done its order: whether the whole job is done with it.
    pub(super) fn is_done(&self) -> bool {
        match &self.what {
            What::Unlink(_, names) => Self::settled(names, &self.now.cursor) == names.len(),
            What::Walk(_) => true,
        }
    }

    /// A step came in: it waits for its asker.
    pub(super) fn stepped(&mut self, findings: Vec<Finding>, progress: Progress, patience: Instant) {
        self.patience = patience;
        let progress = progress.on_top_of(&self.base);
        self.undelivered = Some(Step { findings, progress });
    }

    /// The asker takes the step.
    pub(super) fn taken(&mut self, step: &Step) -> Advance {
        let further = step.progress.cursor > self.now.cursor;
        let advance = Advance {
            further,
            files: step.progress.files.saturating_sub(self.now.files),
            bytes: step.progress.bytes.saturating_sub(self.now.bytes),
        };
        self.now = step.progress.clone();
        if further {
            self.stuck = Stuck::No;
        }
        advance
    }

    /// Its worker has gone: the next one takes over.
    pub(super) fn orphaned(&mut self) {
        self.phase = Phase::Ready;
        self.stuck = Stuck::Perhaps;
        self.restarts += 1;
    }

    pub(super) fn job(&self) -> Option<JobId> {
        match self.phase {
            Phase::Ready => None,
            Phase::Working(job) | Phase::Delivering(job) | Phase::Cancelling(job, _) => Some(job),
        }
    }

    pub(super) fn state(&self) -> JobState {
        JobState {
            task: self.task(),
            since: self.since,
            progress: self.now.clone(),
            restarts: self.restarts,
        }
    }

    /// Tells all who wait. They may have gone.
    pub(super) fn finish(self, end: &Result<(), JobError>) {
        let report = |part| {
            end.clone().map(|()| Report {
                progress: self.now.clone(),
                restarts: self.restarts,
                part,
            })
        };
        for joined in self.joined {
            let _ = joined.send(report(Part::Joined));
        }
        let _ = self.done.send(report(Part::Asked));
    }

    /// Why it is not done: the worker failed too often.
    pub(super) fn waits(&self, rest: &Rest) -> JobError {
        JobError::CircuitOpen {
            task: self.task(),
            until: rest.until,
            reached: self.now.cursor.clone(),
            why: rest.why.clone(),
        }
    }

    pub(super) fn refused(&self, operation: String, why: Refusal) -> JobError {
        JobError::Refused {
            task: self.task(),
            operation,
            reached: self.now.cursor.clone(),
            why,
        }
    }

    pub(super) fn unread(&self) -> JobError {
        JobError::Unread {
            task: self.task(),
            reached: self.now.cursor.clone(),
        }
    }

    pub(super) fn stopped(&self) -> JobError {
        JobError::Stopped {
            task: self.task(),
            reached: self.now.cursor.clone(),
        }
    }
}
