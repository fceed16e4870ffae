//! Where history is put.

use super::Fineness;
use crate::clock::Timestamp;

/// What is to be put on the shelf, and what is to be taken off it, at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Blocks, by how fine they are and when they begin. One that is there already is replaced.
    pub put: Vec<(Fineness, Timestamp, Vec<u8>)>,
    /// What is older goes.
    pub keep_from: Vec<(Fineness, Timestamp)>,
}

/// The shelf cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{operation} the history")]
pub struct ShelfError {
    /// A verb: "write".
    pub operation: &'static str,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Keeps blocks. All of a batch is kept, or nothing of it.
pub trait Shelf: Send + Sync {
    fn write(&self, batch: &Batch) -> Result<(), ShelfError>;

    /// Shows each block that begins within a time, the oldest first.
    fn read(
        &self,
        fineness: Fineness,
        from: Timestamp,
        to: Timestamp,
        take: &mut dyn FnMut(Timestamp, &[u8]),
    ) -> Result<(), ShelfError>;
}
