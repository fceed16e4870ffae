//! How far a pass has come, and what it is to do next.
//!
//! Promises: it can be written down after any step and read back. Must not know: what follows from what is seen.

use serde::{Deserialize, Serialize};

use super::{
    record::{Record, What, Why},
    search::Search,
};
use crate::{
    cache::{Ages, Purpose, Seen, Stretch},
    clock::Timestamp,
    janitor::{Cursor, Folder, Name, Reading, Walk},
    oci::Digest,
};

/// A pass that is not at its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pass {
    pub(super) record: Record,
    /// Where the walk goes on.
    pub(super) cursor: Cursor,
    /// The list is compared up to here: a walk can stand at a name that is not in the order of digests.
    #[serde(default)]
    compared: Option<Name>,
    /// Files at which workers died: they are there, and that is all that is known.
    #[serde(default)]
    skipped: Vec<Name>,
    /// The last of them, until the walk has gone on behind it.
    #[serde(default)]
    pub(super) suspect: Option<Name>,
    /// What a recovery has found and not read yet. Another process begins anew.
    #[serde(skip)]
    pub(super) search: Search,
}

impl Pass {
    pub(super) fn new(what: What, why: Why, at: Timestamp) -> Self {
        Self {
            record: Record::new(what, why, at),
            cursor: Cursor::START,
            compared: None,
            skipped: Vec::new(),
            suspect: None,
            search: Search::default(),
        }
    }

    /// The walk through the folders.
    pub(super) fn walk(&self, rate: Option<u64>) -> Walk {
        let from = self.cursor.clone();
        match self.record.what {
            What::Recovery | What::Scan => Walk::Scan { from },
            What::Scrub => Walk::Scrub {
                from,
                source: Reading::Medium,
                rate,
            },
        }
    }

    pub(super) const fn purpose(&self, ages: Ages) -> Purpose {
        match self.record.what {
            What::Recovery => Purpose::Recovery,
            What::Scan | What::Scrub => Purpose::Upkeep(ages),
        }
    }

    /// The stretch of the list that a step of a scan completes, and what was seen there. `None`: nothing of the list.
    pub(super) fn stretch(&mut self, reached: &Cursor, seen: Vec<Seen>) -> Option<(Stretch, Vec<Seen>)> {
        if self.cursor.folder() != Folder::Blobs {
            return None;
        }
        let until = if reached.folder() == Folder::Blobs {
            // At a foreign name the list is compared up to the last file before it.
            let at = reached.after().and_then(Name::digest);
            Some(at.or_else(|| seen.last().map(|file| file.digest))?)
        } else {
            None
        };
        let stretch = Stretch {
            after: self.compared.as_ref().and_then(Name::digest),
            until,
        };
        let skipped = std::mem::take(&mut self.skipped);
        let skipped = skipped.iter().filter_map(Name::digest).map(|digest| Seen {
            digest,
            size: None,
            age: None,
        });
        let mut all: Vec<Seen> = skipped.chain(seen).collect();
        all.sort_by_key(|file| file.digest);
        all.dedup_by_key(|file| file.digest);
        Some((stretch, all))
    }

    /// All up to here is done.
    pub(super) fn done(&mut self, reached: Cursor, compared: Option<Digest>) {
        self.cursor = reached;
        if let Some(digest) = compared {
            self.compared = Some(Name::from(&digest));
        }
    }

    /// Goes on behind a file at which workers die.
    pub(super) fn step_over(&mut self, folder: Folder, name: Name) {
        self.cursor = Cursor::past(folder, name.clone());
        self.record.sums.unreadable += 1;
        if folder == Folder::Blobs {
            self.skipped.push(name.clone());
            self.suspect = Some(name);
        }
    }
}
