//! History in a table of a database that somebody else opened.

use std::sync::Arc;

use redb::{Database, ReadableDatabase as _, TableDefinition, TableError};

use super::{
    Fineness,
    shelf::{Batch, Shelf, ShelfError},
};
use crate::clock::Timestamp;

/// By how fine it is, and when it begins.
const HISTORY: TableDefinition<'static, (u8, u64), &[u8]> = TableDefinition::new("history");

/// The shelf.
#[derive(Clone)]
pub struct RedbShelf(Arc<Database>);

impl RedbShelf {
    pub fn new(database: Arc<Database>) -> Self {
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
        let write = || -> Result<(), redb::Error> {
            let transaction = self.0.begin_write()?;
            {
                let mut table = transaction.open_table(HISTORY)?;
                for (fineness, oldest) in &batch.keep_from {
                    let old = (fineness.code(), 0)..(fineness.code(), oldest.0);
                    table.retain_in(old, |_, _| false)?;
                }
                for (fineness, begin, block) in &batch.put {
                    table.insert((fineness.code(), begin.0), block.as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|error| failed("write", error))
    }

    fn read(
        &self,
        fineness: Fineness,
        from: Timestamp,
        to: Timestamp,
        take: &mut dyn FnMut(Timestamp, &[u8]),
    ) -> Result<(), ShelfError> {
        let read = || -> Result<(), redb::Error> {
            let transaction = self.0.begin_read()?;
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
                take(Timestamp(key.value().1), block.value());
            }
            Ok(())
        };
        let mut read = read;
        read().map_err(|error| failed("read", error))
    }
}

fn failed(operation: &'static str, error: redb::Error) -> ShelfError {
    ShelfError {
        operation,
        source: Box::new(error),
    }
}
