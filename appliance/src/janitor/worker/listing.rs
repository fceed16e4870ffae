//! The names in a folder, in order, in bounded memory.
//!
//! The folders are flat and may hold a million files, and the order in which a filesystem lists them is its own
//! affair: a place in it means nothing after a restart. So the folder is read in passes: each keeps the first
//! so-many names after the cursor and forgets the others. A million names at 32,768 a pass are 31 passes.
//!
//! Promises: names come in ascending order, each once; a name that is there all the time is not left out; memory
//! is that of one pass. Must not know: what the names stand for.

use std::{collections::BinaryHeap, io, path::PathBuf};

use super::step::{Halt, Stride};
use crate::janitor::place::{Folder, Name};

/// Between two looks at the clock and the orders.
const NAMES: u64 = 512;

/// What is left of a folder.
pub(super) struct Listing {
    folder: PathBuf,
    after: Option<Name>,
    /// The next names, the first at the end.
    ready: Vec<Name>,
    passed: Passed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passed {
    /// There may be names after those that are ready.
    Some,
    All,
}

impl Listing {
    /// The names in a folder after the job's cursor. Empty if the cursor is past the folder.
    pub(super) fn begin(stride: &mut Stride<'_>, folder: Folder) -> Self {
        stride.enter(folder);
        let layout = &stride.bench.layout;
        let cursor = stride.cursor();
        Self {
            folder: match folder {
                Folder::Blobs => layout.blobs.clone(),
                Folder::Fills => layout.fills.clone(),
                Folder::Top => layout.dir.clone(),
            },
            after: cursor.after().cloned(),
            ready: Vec::new(),
            passed: if cursor.folder() == folder {
                Passed::Some
            } else {
                Passed::All
            },
        }
    }

    pub(super) fn next(&mut self, stride: &mut Stride<'_>) -> Result<Option<Name>, Halt> {
        if self.ready.is_empty() && self.passed == Passed::Some {
            self.pass(stride)?;
        }
        let next = self.ready.pop();
        if next.is_some() {
            self.after.clone_from(&next);
        }
        Ok(next)
    }

    /// Where a name of this folder lies.
    pub(super) fn path(&self, name: &Name) -> PathBuf {
        name.within(&self.folder)
    }

    /// Reads all names once. That a folder cannot be listed must not look like an empty one.
    fn pass(&mut self, stride: &mut Stride<'_>) -> Result<(), Halt> {
        let refused = {
            let operation = format!("list {}", self.folder.display());
            move |error: io::Error| Halt::refused(operation.clone(), &error)
        };
        let list = stride.bench.disk.list(&self.folder).map_err(&refused)?;
        let held = stride.bench.held.max(1);
        let mut first: BinaryHeap<Name> = BinaryHeap::new();
        self.passed = Passed::All;
        let mut names = 0;
        for entry in list {
            let entry = entry.map_err(&refused)?;
            names += 1;
            if names == NAMES {
                stride.names(names);
                stride.breathe()?;
                names = 0;
            }
            let name = Name::new(&entry.file_name());
            if self.after.as_ref().is_some_and(|after| name <= *after) {
                continue;
            }
            if first.len() < held {
                first.push(name);
            } else {
                self.passed = Passed::Some;
                if first.peek().is_some_and(|last| name < *last) {
                    first.pop();
                    first.push(name);
                }
            }
        }
        stride.names(names);
        self.ready = first.into_sorted_vec();
        self.ready.reverse();
        Ok(())
    }
}
