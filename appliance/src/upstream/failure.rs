//! What goes wrong inside the room, before it is told to the outside as a [`SourceError`].
//!
//! A [`Kind`] says more than a [`Fault`]: the breaker weighs a refused connection and a 500 differently,
//! though both are "unavailable" to whoever asked.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use super::{health::Outcome, operation::Operation};
use crate::{
    dial::{ConnectError, ResolveError, is_ours},
    source::{Fault, SourceError, SourceName},
};

/// A failure: its kind, and why.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) cause: Arc<dyn Error + Send + Sync>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    NotFound,
    Denied,
    /// The owner's own rules forbid it: nothing is learnt about the registry.
    Forbidden,
    Limited(Option<Duration>),
    /// Refused, reset, no such name, no TLS: nobody answered.
    Unreachable,
    /// A 5xx, an answer that was cut: somebody answered, badly.
    Broken,
    /// A 503 that says for how long.
    Overloaded(Duration),
    Silent,
    Untrustworthy,
    Resting(Duration),
    Ours,
}

impl Kind {
    pub(super) const fn fault(self) -> Fault {
        match self {
            Self::NotFound => Fault::NotFound,
            Self::Denied | Self::Forbidden => Fault::Denied,
            Self::Limited(retry_after) => Fault::Limited { retry_after },
            Self::Unreachable | Self::Broken | Self::Overloaded(_) => Fault::Unavailable,
            Self::Silent => Fault::Silent,
            Self::Untrustworthy => Fault::Untrustworthy,
            Self::Resting(retry_in) => Fault::Resting { retry_in },
            Self::Ours => Fault::Ours,
        }
    }

    /// What the breaker makes of it; `None` when it says nothing about the endpoint.
    pub(super) const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::NotFound | Self::Denied | Self::Limited(_) => Some(Outcome::Answered),
            Self::Unreachable => Some(Outcome::Unreachable),
            Self::Broken | Self::Untrustworthy => Some(Outcome::Broken),
            Self::Overloaded(rest) => Some(Outcome::Overloaded(rest)),
            Self::Silent => Some(Outcome::Silent),
            Self::Forbidden | Self::Resting(_) | Self::Ours => None,
        }
    }
}

impl Failure {
    pub(super) fn new(kind: Kind, cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            kind,
            cause: Arc::new(cause),
        }
    }

    /// A failure whose cause is best told in words.
    pub(super) fn because(kind: Kind, reason: impl Into<String>) -> Self {
        Self::new(kind, Reason(reason.into()))
    }

    pub(super) fn silent() -> Self {
        Self::because(Kind::Silent, "no answer in time")
    }

    pub(super) fn untrustworthy(reason: impl Into<String>) -> Self {
        Self::because(Kind::Untrustworthy, reason)
    }

    pub(super) fn tell(self, operation: Operation, subject: &Arc<str>, name: &SourceName) -> SourceError {
        SourceError {
            operation: operation.phrase(),
            subject: subject.clone(),
            source_name: name.clone(),
            fault: self.kind.fault(),
            cause: Some(self.cause),
        }
    }
}

/// A cause in words.
#[derive(Debug)]
struct Reason(String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Reason {}

/// The kind of an I/O error on a connection.
pub(super) fn kind_of_io(error: &io::Error) -> Kind {
    if is_ours(error) {
        Kind::Ours
    } else if error.kind() == io::ErrorKind::TimedOut {
        Kind::Silent
    } else {
        Kind::Unreachable
    }
}

/// The kind of a connection that did not come about.
pub(super) fn kind_of_connect(error: &ConnectError) -> Kind {
    match error {
        ConnectError::Url => Kind::Untrustworthy,
        ConnectError::Forbidden { .. } => Kind::Forbidden,
        ConnectError::Resolve { source, .. } if source.is_silence() => Kind::Silent,
        ConnectError::Resolve {
            source: ResolveError::Configuration { source, .. },
            ..
        } if is_ours(source) => Kind::Ours,
        ConnectError::Resolve { .. } => Kind::Unreachable,
        ConnectError::Connect { source, .. } | ConnectError::Tls { source, .. } => kind_of_io(source),
        ConnectError::Tunnel { source, .. } => source.io().map_or(Kind::Unreachable, kind_of_io),
        ConnectError::Silent { .. } => Kind::Silent,
    }
}
