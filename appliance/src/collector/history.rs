//! The last collections, also those of earlier processes.
//!
//! A file of one line of JSON each, to which is appended. Promises: what cannot be read is left out; a disk
//! that refuses costs the history of this time, never a collection. Must not know: what records mean.

use std::{collections::VecDeque, io};

use super::record::Record;
use crate::cache::SmallFile;

/// Records that are told.
const KEPT: usize = 100;

/// Lines in the file before it is written anew: 60 KiB.
const LINES: usize = 200;

pub(super) struct History {
    file: SmallFile,
    lines: usize,
    records: VecDeque<Record>,
}

impl History {
    pub(super) fn read(file: SmallFile) -> Self {
        let bytes = file.read().unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let mut records = VecDeque::new();
        for line in text.lines() {
            if let Ok(record) = serde_json::from_str(line) {
                push(&mut records, record);
            }
        }
        // What would be appended to a line that a power cut has torn is lost as well.
        let is_torn = !text.is_empty() && !text.ends_with('\n');
        Self {
            lines: if is_torn { LINES } else { text.lines().count() },
            file,
            records,
        }
    }

    /// The latest last.
    pub(super) fn records(&self) -> Vec<Record> {
        self.records.iter().cloned().collect()
    }

    /// Adds a collection, unless it did nothing for the same reason as the one before.
    pub(super) fn add(&mut self, record: &Record) {
        let idle = record.pieces == 0 && record.files == 0;
        if idle
            && self
                .records
                .back()
                .is_some_and(|last| last.ending == record.ending)
        {
            return;
        }
        push(&mut self.records, record.clone());
        self.lines += 1;
        let written = if self.lines > LINES {
            self.rewrite()
        } else {
            self.append(record)
        };
        if let Err(error) = written {
            tracing::debug!(path = %self.file.path().display(), %error, "a collection is not in the history");
        }
    }

    fn append(&self, record: &Record) -> io::Result<()> {
        self.file.append(line(record).as_bytes())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let text: String = self.records.iter().map(line).collect();
        self.file.replace(text.as_bytes())?;
        self.lines = self.records.len();
        Ok(())
    }
}

fn line(record: &Record) -> String {
    // Numbers and texts: it cannot fail.
    serde_json::to_string(record).unwrap_or_default() + "\n"
}

fn push(records: &mut VecDeque<Record>, record: Record) {
    if records.len() == KEPT {
        records.pop_front();
    }
    records.push_back(record);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cache::Disk,
        clock::Timestamp,
        collector::{Ending, Why},
    };

    fn record(at: u64) -> Record {
        Record {
            at: Timestamp(at),
            took: 1,
            why: Why::Asked,
            goal_bytes: 0,
            goal_inodes: 0,
            units: 0,
            spared: 0,
            pieces: 1,
            bytes: 0,
            files: 0,
            before: 900,
            after: 800,
            ending: Ending::Short("all of it is pinned".to_owned()),
        }
    }

    #[test]
    fn what_does_nothing_again_and_again_is_said_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("collections.log");
        let mut history = History::read(SmallFile::new(path, Disk::real()));
        for at in 0..5 {
            history.add(&Record {
                pieces: 0,
                ..record(at)
            });
        }
        assert_eq!(history.records().len(), 1);
        history.add(&Record {
            pieces: 0,
            ending: Ending::Done,
            ..record(9)
        });
        assert_eq!(history.records().len(), 2);
    }

    #[test]
    fn the_latest_are_kept_over_a_restart_and_the_file_stays_short() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("collections.log");
        let file = SmallFile::new(path.clone(), Disk::real());
        let mut history = History::read(file.clone());
        for at in 0..2500 {
            history.add(&record(at));
        }
        let again = History::read(file.clone()).records();
        assert_eq!(again, history.records());
        assert_eq!((again.len(), again.last()), (KEPT, Some(&record(2499))));
        let lines = std::fs::read_to_string(&path).expect("read").lines().count();
        assert!(lines <= LINES + KEPT, "{lines}");
        std::fs::write(&path, "nonsense\n{\"at\":1}\n").expect("written");
        assert!(History::read(file.clone()).records().is_empty());
        // Torn by a power cut.
        std::fs::write(&path, format!("{}{{\"at\":1", line(&record(1)))).expect("written");
        let mut history = History::read(file.clone());
        history.add(&record(2));
        assert_eq!(History::read(file).records(), [record(1), record(2)]);
    }
}
