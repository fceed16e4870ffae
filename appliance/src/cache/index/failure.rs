//! How an operation on the index fails, seen from inside.
//!
//! redb has an error type per operation; what matters is whether the handle is still good, whether the disk
//! refused, or whether the content is wrong. Promises: a panic inside redb, which a damaged file can cause,
//! ends as [`Failure::Panicked`] and not as the end of a thread.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::cache::error::{CacheError, Kind, Reason, kind_of};

/// Why an operation on the index failed.
#[derive(Debug)]
pub(crate) enum Failure {
    Redb(redb::Error),
    /// A row that is not what the schema says.
    Decode(&'static str),
    /// redb met something it holds to be impossible.
    Panicked,
}

impl Failure {
    /// Runs `work` and turns a panic into a failure.
    pub(crate) fn catch<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Failure::Panicked))
    }

    /// Whether it is one row that cannot be read, and not the index as a whole.
    pub(crate) fn is_decode(&self) -> bool {
        matches!(self, Self::Decode(_))
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Redb(redb::Error::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Kind::Corrupt
            }
            Self::Redb(redb::Error::Io(error)) => kind_of(error),
            Self::Redb(
                redb::Error::PreviousIo
                | redb::Error::DatabaseClosed
                | redb::Error::LockPoisoned(_)
                | redb::Error::Unsupported,
            ) => Kind::Io,
            Self::Redb(_) | Self::Decode(_) | Self::Panicked => Kind::Corrupt,
        }
    }

    /// As an error of the cache.
    pub(crate) fn into_error(self, operation: &'static str, subject: &dyn fmt::Display) -> CacheError {
        let kind = self.kind();
        match self {
            Self::Redb(redb::Error::Io(error)) => CacheError::new(operation, subject, kind, error),
            Self::Redb(error) => CacheError::new(operation, subject, kind, Reason(error.to_string())),
            Self::Decode(what) => CacheError::refused(operation, subject, kind, what),
            Self::Panicked => CacheError::refused(operation, subject, kind, "the index is damaged"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Redb(redb::Error::Io(error))
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for Failure {
            fn from(error: redb::$error) -> Self {
                Self::Redb(error.into())
            }
        })*
    };
}

from_redb!(
    StorageError,
    TableError,
    CursorError,
    CompactionError,
    TransactionError,
    CommitError,
    DatabaseError,
    SetDurabilityError
);
