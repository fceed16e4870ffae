//! What outlives the process: when the passes were, how far the open ones are, which files cannot be read.
//!
//! One small file. Promises: written whole or not at all; what cannot be read is nothing; a disk that refuses costs
//! the memory, never a pass. Must not know: what any of it means.

use std::{collections::VecDeque, io};

use serde::{Deserialize, Serialize};

use super::{
    pass::Pass,
    record::{Ending, Record, What},
};
use crate::{cache::SmallFile, janitor::Name};

/// Passes that are told.
const KEPT: usize = 20;

/// All of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    pub(super) scan: Option<Pass>,
    pub(super) scrub: Option<Pass>,
    /// The latest last; an open pass has one, too.
    pub(super) records: VecDeque<Record>,
    /// Files that cannot be read.
    pub(super) distrusted: Vec<Name>,
}

impl Memory {
    pub(super) fn read(file: &SmallFile) -> Self {
        let text = file.read().unwrap_or_default();
        let mut memory: Self = serde_json::from_slice(&text).unwrap_or_default();
        // A recovery ends with its process, and another begins anew.
        memory
            .records
            .retain(|record| record.what != What::Recovery || record.ending != Ending::Open);
        memory
    }

    pub(super) fn write(&self, file: &SmallFile) -> io::Result<()> {
        file.replace(&serde_json::to_vec(self)?)
    }

    /// The open pass of a kind, for those that outlive the process.
    pub(super) const fn pass(&mut self, what: What) -> Option<&mut Option<Pass>> {
        match what {
            What::Recovery => None,
            What::Scan => Some(&mut self.scan),
            What::Scrub => Some(&mut self.scrub),
        }
    }

    /// The last pass of a kind that came to its end.
    pub(super) fn last_done(&self, what: What) -> Option<&Record> {
        let mut records = self.records.iter().rev();
        records.find(|record| record.what == what && record.ending == Ending::Done)
    }

    /// Adds a pass, or what has become of it since it was added.
    pub(super) fn note(&mut self, record: &Record) {
        let same = |known: &&mut Record| known.what == record.what && known.at == record.at;
        if let Some(known) = self.records.iter_mut().rev().find(same) {
            known.clone_from(record);
            return;
        }
        self.records.push_back(record.clone());
        // The last scrub is older than many scans.
        while self.records.len() > KEPT {
            let oldest = self.records.iter().position(|old| {
                self.records.iter().filter(|other| other.what == old.what).count() > KEPT / 4
            });
            self.records.remove(oldest.unwrap_or(0));
        }
    }
}
