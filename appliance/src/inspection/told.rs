//! What is told of the passes while they run, and since the start.

use parking_lot::Mutex;

use super::{
    memory::Memory,
    pass::Pass,
    record::{Ending, Record, Sums, What},
};
use crate::clock::Timestamp;

/// What has happened since the start, by kind of pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub done: u64,
    pub failed: u64,
    pub sums: Sums,
}

/// The same for all kinds, in the order of [`What::ALL`].
pub type Tally = [Outcomes; What::ALL.len()];

/// What is told while passes run, and what is written down.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<(Memory, Tally)>);

impl Told {
    pub(super) fn new(memory: Memory) -> Self {
        Self(Mutex::new((memory, Tally::default())))
    }

    pub(super) fn memory(&self) -> Memory {
        self.0.lock().0.clone()
    }

    /// The last passes and those that are under way, the latest last.
    pub(super) fn history(&self) -> Vec<Record> {
        self.0.lock().0.records.iter().cloned().collect()
    }

    pub(super) fn tally(&self) -> Tally {
        self.0.lock().1
    }

    /// A step was done: what it came to, and how far the pass is with it.
    pub(super) fn count(&self, more: &Sums, pass: &Pass) {
        let (memory, tally) = &mut *self.0.lock();
        tally[pass.record.what as usize].sums.add(more);
        memory.note(&pass.record);
        if let Some(open) = memory.pass(pass.record.what) {
            *open = Some(pass.clone());
        }
    }

    /// A pass is not at work any more.
    pub(super) fn ended(&self, pass: &Pass) {
        let (memory, tally) = &mut *self.0.lock();
        let what = pass.record.what;
        memory.note(&pass.record);
        let outcomes = &mut tally[what as usize];
        match pass.record.ending {
            Ending::Done => outcomes.done += 1,
            Ending::Failed(_) => outcomes.failed += 1,
            Ending::Open => {}
        }
        if let Some(open) = memory.pass(what) {
            let is_done = pass.record.ending == Ending::Done;
            *open = (!is_done).then(|| pass.clone());
        }
    }

    pub(super) fn open_pass(&self, what: What) -> Option<Pass> {
        self.0.lock().0.pass(what)?.clone()
    }

    /// A pass that is begun anew is not told of any more.
    pub(super) fn replaced(&self, pass: &Pass) {
        let memory = &mut self.0.lock().0;
        memory.records.retain(|record| {
            record.ending != Ending::Open || record.what != pass.record.what || record.at != pass.record.at
        });
    }

    pub(super) fn last_done(&self, what: What) -> Option<Timestamp> {
        self.0.lock().0.last_done(what).map(|record| record.at)
    }
}
