//! The schema's version, and the way from older ones.
//!
//! Promises: an index of a newer schema is left as it is and refused with a text that says what to do; an
//! older one is brought forward step by step, each step with its new version in one transaction.

use redb::{ReadableTable, WriteTransaction};

use super::{
    failure::Failure,
    tables::{Writing, meta},
};

/// The version this program reads and writes.
pub(crate) const SCHEMA: u64 = 1;

/// A step from the version that is its place in [`STEPS`], plus one, to the next.
type Step = fn(&mut Writing<'_>) -> Result<(), Failure>;

/// `STEPS[0]` leads from version 1 to version 2, and so on. There is one fewer than there are versions.
const STEPS: [Step; SCHEMA as usize - 1] = [];

/// The index was written by a newer program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its schema is {found} and this program knows up to {SCHEMA}: run the program that wrote it, or a newer one; or move `index.redb` away to start with an empty index (blob files are kept)"
)]
pub(crate) struct Newer {
    pub(crate) found: u64,
}

/// What was found at opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is of this schema; nothing was changed.
    Current,
    /// It was empty or older; the transaction is to be committed.
    Changed,
    Newer(Newer),
}

/// Brings the index to [`SCHEMA`].
pub(crate) fn migrate(transaction: &WriteTransaction) -> Result<Found, Failure> {
    let mut tables = Writing::open(transaction)?;
    let found = tables.meta.get(meta::SCHEMA)?.map(|version| version.value());
    match found {
        Some(SCHEMA) => Ok(Found::Current),
        Some(found) if found > SCHEMA => Ok(Found::Newer(Newer { found })),
        Some(0) => Err(Failure::Decode("the schema's version is 0")),
        older => {
            // An empty index is of the current schema from the start.
            let first = older.map_or(STEPS.len(), |version| version as usize - 1);
            for step in &STEPS[first..] {
                step(&mut tables)?;
            }
            tables.meta.insert(meta::SCHEMA, SCHEMA)?;
            Ok(Found::Changed)
        }
    }
}
