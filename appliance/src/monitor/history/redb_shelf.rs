//! History in a table of the house's own database.

use std::cell::RefCell;

use redb::{TableDefinition, TableError};

use super::{
    Fineness,
    shelf::{Batch, Shelf, ShelfError},
};
use crate::{
    cache::{CacheError, SmallDatabase},
    clock::Timestamp,
};

/// By how fine it is, and when it begins.
const HISTORY: TableDefinition<'static, (u8, u64), &[u8]> = TableDefinition::new("history");

/// The shelf.
#[derive(Clone)]
pub struct RedbShelf(SmallDatabase);

impl RedbShelf {
    pub fn new(database: SmallDatabase) -> Self {
        Self(database)
    }
}

impl std::fmt::Debug for RedbShelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedbShelf")
    }
}

impl Shelf for RedbShelf {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError> {
        let written = self.0.write("write the history", |transaction| {
            let mut table = transaction.open_table(HISTORY)?;
            for (fineness, oldest) in &batch.keep_from {
                let old = (fineness.code(), 0)..(fineness.code(), oldest.0);
                table.retain_in(old, |_, _| false)?;
            }
            for (fineness, begin, block) in &batch.put {
                table.insert((fineness.code(), begin.0), block.as_slice())?;
            }
            Ok(())
        });
        written.map_err(|error| failed("write", error))
    }

    fn read(
        &self,
        fineness: Fineness,
        from: Timestamp,
        to: Timestamp,
        take: &mut dyn FnMut(Timestamp, &[u8]),
    ) -> Result<(), ShelfError> {
        let take = RefCell::new(take);
        let read = self.0.read("read the history", |transaction| {
            let table = match transaction.open_table(HISTORY) {
                Ok(table) => table,
                // Nothing was written yet.
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            if from > to {
                return Ok(());
            }
            for row in table.range((fineness.code(), from.0)..=(fineness.code(), to.0))? {
                let (key, block) = row?;
                (take.borrow_mut())(Timestamp(key.value().1), block.value());
            }
            Ok(())
        });
        read.map_err(|error| failed("read", error))
    }
}

fn failed(operation: &'static str, error: CacheError) -> ShelfError {
    ShelfError {
        operation,
        source: Box::new(error),
    }
}
