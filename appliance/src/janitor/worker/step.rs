//! A job in steps.
//!
//! A step ends after so many files, or after so long, in the middle of a large file too. Its findings and its
//! cursor are told in one message; then the worker waits until they were taken, and rests. Promises: no step
//! takes longer than the pace says by more than one system call; what is to be removed meanwhile is removed
//! between two files, or two pieces of one. Must not know: what the job does.

use std::{io, time::Instant};

use super::{
    Bench, carry_out,
    desk::{Assignment, Lane, Until, Word},
};
use crate::janitor::{
    job::{Finding, Pace, Progress, Refusal, Task},
    place::{Cursor, Folder, Name},
    protocol::{self, FrameError, FromWorker, JobId, Order},
};

/// One job under way.
pub(super) struct Stride<'a> {
    pub(super) bench: &'a mut Bench,
    lane: Lane,
    job: JobId,
    pace: Pace,
    /// So many steps are of one file.
    careful: u64,
    task: Task,
    began: Instant,
    files: u32,
    steps: u64,
    findings: Vec<Finding>,
    progress: Progress,
}

/// Why a job does not go on.
#[derive(Debug)]
pub(super) enum Halt {
    Stopped,
    /// The disk refused what the job cannot do without.
    Refused {
        operation: String,
        why: Refusal,
    },
    Pipe(FrameError),
}

impl Halt {
    pub(super) fn refused(operation: String, error: &io::Error) -> Self {
        Self::Refused {
            operation,
            why: error.into(),
        }
    }
}

impl<'a> Stride<'a> {
    pub(super) fn begin(bench: &'a mut Bench, assignment: &Assignment) -> Self {
        let (task, from) = match &assignment.order {
            Order::Unlink { .. } => (Task::Unlink, Cursor::START),
            Order::Walk(walk) => (walk.task(), walk.from().clone()),
        };
        bench.fault.strike(task);
        Self {
            bench,
            lane: assignment.lane(),
            job: assignment.job,
            pace: assignment.pace,
            careful: assignment.careful,
            task,
            began: Instant::now(),
            files: 0,
            steps: 0,
            findings: Vec::new(),
            progress: Progress::at(from),
        }
    }

    pub(super) fn cursor(&self) -> &Cursor {
        &self.progress.cursor
    }

    /// This file comes next.
    pub(super) fn at(&mut self, name: &Name) {
        self.progress.at = Some(name.clone());
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Bytes of the file in hand.
    pub(super) fn bytes(&mut self, count: u64) {
        self.progress.bytes += count;
    }

    /// Names that were only looked at.
    pub(super) fn names(&mut self, count: u64) {
        self.progress.names += count;
    }

    /// The file in hand was not there.
    pub(super) fn missing(&mut self, folder: Folder, name: Name) {
        self.progress.missing += 1;
        self.over(folder, name);
    }

    /// The file in hand is done.
    pub(super) fn done(&mut self, folder: Folder, name: Name) {
        self.progress.files += 1;
        self.over(folder, name);
    }

    /// Everything up to this name is settled, one way or another.
    pub(super) fn over(&mut self, folder: Folder, name: Name) {
        self.files += 1;
        self.progress.at = None;
        self.progress.cursor = Cursor::past(folder, name);
    }

    /// Everything in the folders before this one is settled.
    pub(super) fn enter(&mut self, folder: Folder) {
        if self.progress.cursor.folder() < folder {
            self.progress.cursor = Cursor::start_of(folder);
        }
    }

    /// To be called between files, and between the pieces of a large one: ends the step when it is time, and
    /// says whether to go on.
    pub(super) fn breathe(&mut self) -> Result<(), Halt> {
        self.hear(self.bench.desk.word(self.lane))?;
        let careful = self.steps < self.careful;
        let most = if careful {
            1
        } else {
            self.pace.files.min(Pace::MOST_FILES)
        };
        // Whoever dies at the first file has named it.
        let unnamed = careful && self.steps == 0 && self.progress.at.is_some();
        if unnamed || self.files >= most || self.began.elapsed() >= self.pace.time {
            self.tell()?;
            if !careful {
                self.wait(Until::Time(Instant::now() + self.pace.rest))?;
            }
            self.began = Instant::now();
            self.bench.fault.strike(self.task);
        }
        Ok(())
    }

    /// Waits in the middle of a step, with signs of life.
    pub(super) fn pause(&mut self, until: Instant) -> Result<(), Halt> {
        while Instant::now() < until {
            let step_ends = self.began + self.pace.time;
            self.wait(Until::Time(until.min(step_ends)))?;
            self.breathe()?;
        }
        Ok(())
    }

    /// Tells the last of it.
    pub(super) fn finish(mut self) -> Result<(), Halt> {
        self.tell()
    }

    fn tell(&mut self) -> Result<(), Halt> {
        let step = FromWorker::Step {
            job: self.job,
            findings: std::mem::take(&mut self.findings),
            progress: self.progress.clone(),
        };
        protocol::write(&mut self.bench.output, &step).map_err(Halt::Pipe)?;
        self.steps += 1;
        self.files = 0;
        self.wait(Until::Taken(self.steps))
    }

    fn wait(&mut self, until: Until) -> Result<(), Halt> {
        loop {
            match self.bench.desk.wait(self.lane, until) {
                Word::GoOn => return Ok(()),
                word => self.hear(word)?,
            }
        }
    }

    fn hear(&mut self, word: Word) -> Result<(), Halt> {
        match word {
            Word::GoOn => Ok(()),
            Word::Stop => Err(Halt::Stopped),
            Word::Unlink => match self.bench.desk.unlink() {
                Some(assignment) => carry_out(self.bench, assignment).map_err(Halt::Pipe),
                None => Ok(()),
            },
        }
    }
}
