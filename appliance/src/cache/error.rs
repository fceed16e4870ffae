//! What can go wrong with the cache, by what follows from it.
//!
//! An error names the operation and its subject and carries the cause as its source; its own text never
//! repeats the cause. [`CacheError::kind`] is all a caller needs to decide: content goes on unstored when the
//! kind is [`Kind::Full`] or [`Kind::Unwritable`]. Must not know: HTTP, upstreams, who asked.

use std::{error::Error, fmt, io, sync::Arc};

use rustix::io::Errno;

/// What a disk can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    Bytes,
    Inodes,
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No room: pass the content through without storing it. Room can come back.
    Full(Resource),
    /// The cache cannot be written at all for now: pass through.
    Unwritable,
    /// What is stored does not say what it must. Treat it as absent.
    Corrupt,
    /// Somebody else is at it: another fill of the same digest, another process in the same folder.
    Busy,
    /// Any other failure of a system call.
    Io,
}

/// An operation of the cache that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} {subject}")]
pub struct CacheError {
    operation: &'static str,
    subject: Arc<str>,
    kind: Kind,
    #[source]
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

/// A cause in words, where no system call failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Reason(pub(super) String);

impl CacheError {
    /// `operation` is a verb phrase ("store the blob"), `subject` what it was done to.
    pub(super) fn new(
        operation: &'static str,
        subject: &dyn fmt::Display,
        kind: Kind,
        cause: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            operation,
            subject: subject.to_string().into(),
            kind,
            cause: Some(Arc::new(cause)),
        }
    }

    /// An error whose cause is a rule of this house.
    pub(super) fn refused(
        operation: &'static str,
        subject: &dyn fmt::Display,
        kind: Kind,
        reason: impl Into<String>,
    ) -> Self {
        Self::new(operation, subject, kind, Reason(reason.into()))
    }

    /// A failed system call, classified by its error number.
    pub(super) fn io(operation: &'static str, subject: &dyn fmt::Display, error: io::Error) -> Self {
        let kind = kind_of(&error);
        Self::new(operation, subject, kind, error)
    }

    /// The same failure seen from an operation further out.
    pub(super) fn during(mut self, operation: &'static str, subject: &dyn fmt::Display) -> Self {
        self.operation = operation;
        self.subject = subject.to_string().into();
        self
    }

    /// The same failure, of which the caller knows better what follows.
    pub(super) fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn operation(&self) -> &'static str {
        self.operation
    }

    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether the content should go on to its client without being stored.
    pub fn is_pass_through(&self) -> bool {
        matches!(self.kind, Kind::Full(_) | Kind::Unwritable)
    }
}

/// Classifies a system call's error.
///
/// `ENOSPC` is taken for bytes here; where a file is created, the caller looks at the inodes
/// (see [`super::disk::Disk::lacking`]).
pub(super) fn kind_of(error: &io::Error) -> Kind {
    match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => Kind::Full(Resource::Bytes),
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => Kind::Unwritable,
        _ if error.kind() == io::ErrorKind::InvalidData => Kind::Corrupt,
        _ => Kind::Io,
    }
}
