//! Why a message did not arrive, whose fault that is, and when to try again.
//!
//! Promises: no error repeats a secret.

use std::{error::Error, fmt, io, time::Duration};

use crate::{
    backoff::Backoff,
    dial::{ConnectError, ResolveError, is_ours},
    source::chain,
};

/// How often what cannot work is tried all the same: its owner may have mended it at the other end.
pub const RARELY: Duration = Duration::from_secs(3600);

/// A message that did not arrive, or of which nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// What was tried: "post to".
    pub operation: &'static str,
    /// Where: host and port.
    pub to: String,
    pub fault: Fault,
    /// In words.
    pub cause: String,
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The name has no address, nobody is there, the connection broke before anything was said.
    Unreachable,
    /// Somebody is there and does not answer.
    Silent,
    /// The certificate is not to be believed: it is wrong, or the clock here is, or `ca_file` is missing.
    Untrusted,
    /// It said no, and will say so again: something is configured wrongly, here or there.
    Misconfigured,
    /// It wants fewer messages.
    Limited(Option<Duration>),
    /// It answered badly, or not to the end.
    Broken(Option<Duration>),
    /// This box is short of descriptors or memory.
    Ours,
}

/// When it makes sense to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// After a wait that grows.
    Soon,
    /// The receiver said when.
    After(Duration),
    /// It can hardly help: after [`RARELY`].
    Rarely,
}

impl Fault {
    /// Whose it is, for people.
    pub const fn whose(self) -> &'static str {
        match self {
            Self::Unreachable => "the network or the receiver",
            Self::Silent | Self::Broken(_) | Self::Limited(_) => "the receiver",
            Self::Untrusted => "the receiver's certificate, or the clock or `ca_file` of this box",
            Self::Misconfigured => "the configuration",
            Self::Ours => "this box",
        }
    }

    pub const fn retry(self) -> Retry {
        match self {
            Self::Misconfigured => Retry::Rarely,
            Self::Limited(Some(wait)) | Self::Broken(Some(wait)) => Retry::After(wait),
            Self::Unreachable
            | Self::Silent
            | Self::Untrusted
            | Self::Limited(None)
            | Self::Broken(None)
            | Self::Ours => Retry::Soon,
        }
    }
}

impl Retry {
    /// How long to wait; `backoff` is this receiver's, and is to be reset when something arrives.
    pub fn wait(self, backoff: &mut Backoff, rng: &mut fastrand::Rng) -> Duration {
        let grown = backoff.next(rng);
        match self {
            Self::Soon => grown,
            Self::After(wait) => wait.max(Duration::from_secs(1)),
            Self::Rarely => RARELY,
        }
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.to, self.cause)
    }
}

impl Error for Undelivered {}

/// What was tried, and where.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) operation: &'static str,
    pub(super) to: String,
}

impl Attempt {
    pub(super) fn failed(&self, fault: Fault, cause: impl Into<String>) -> Undelivered {
        Undelivered {
            operation: self.operation,
            to: self.to.clone(),
            fault,
            cause: cause.into(),
        }
    }

    /// A connection that did not come about.
    pub(super) fn unconnected(&self, error: &ConnectError) -> Undelivered {
        self.failed(fault_of_connect(error), chain(error))
    }

    /// A connection that broke.
    pub(super) fn broken(&self, error: &io::Error) -> Undelivered {
        let fault = match error.kind() {
            _ if is_ours(error) => Fault::Ours,
            io::ErrorKind::TimedOut => Fault::Silent,
            _ => Fault::Broken(None),
        };
        self.failed(fault, chain(error))
    }

    /// Whatever an HTTP client says: the innermost cause that says it best.
    pub(super) fn unanswered(&self, error: &(dyn Error + 'static)) -> Undelivered {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(connect) = error.downcast_ref::<ConnectError>() {
                return self.unconnected(connect);
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                return self.broken(io);
            }
            next = error.source();
        }
        self.failed(Fault::Broken(None), chain(error))
    }

    /// Bounds the whole of it.
    pub(super) async fn within<T>(
        &self,
        deadline: Duration,
        work: impl Future<Output = Result<T, Undelivered>>,
    ) -> Result<T, Undelivered> {
        match tokio::time::timeout(deadline, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.failed(Fault::Silent, format!("no answer in {deadline:?}"))),
        }
    }
}

fn fault_of_connect(error: &ConnectError) -> Fault {
    match error {
        ConnectError::Url | ConnectError::Forbidden { .. } => Fault::Misconfigured,
        ConnectError::Silent { .. } => Fault::Silent,
        ConnectError::Resolve { source, .. } if source.is_silence() => Fault::Silent,
        ConnectError::Resolve {
            source: ResolveError::Configuration { source, .. },
            ..
        } if is_ours(source) => Fault::Ours,
        ConnectError::Resolve { .. } | ConnectError::Tunnel { .. } => Fault::Unreachable,
        ConnectError::Connect { source, .. } => match source.kind() {
            _ if is_ours(source) => Fault::Ours,
            io::ErrorKind::TimedOut => Fault::Silent,
            _ => Fault::Unreachable,
        },
        ConnectError::Tls { source, .. } => {
            let tls = source
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match tls {
                Some(rustls::Error::InvalidCertificate(_)) => Fault::Untrusted,
                _ => Fault::Broken(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_help_is_tried_soon_and_what_cannot_rarely() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(Duration::from_secs(10), Duration::from_secs(600));
        let minute = Duration::from_secs(60);
        let mut wait = |fault: Fault| fault.retry().wait(&mut backoff, &mut rng);
        assert!(wait(Fault::Unreachable) < minute);
        assert_eq!(wait(Fault::Misconfigured), RARELY);
        assert_eq!(wait(Fault::Limited(Some(minute))), minute);
        assert_eq!(wait(Fault::Limited(Some(Duration::ZERO))).as_secs(), 1);
        assert!(wait(Fault::Silent) > minute, "it has grown meanwhile");
    }

    #[test]
    fn a_box_without_descriptors_blames_itself() {
        let none_left = || io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        let host = || "host".to_owned();
        let looked_up = ResolveError::Configuration {
            path: "/etc/resolv.conf".into(),
            source: none_left(),
        };
        let attempt = Attempt {
            operation: "post to",
            to: host(),
        };
        for error in [
            ConnectError::Connect {
                host: host(),
                source: none_left(),
            },
            ConnectError::Resolve {
                host: host(),
                source: looked_up,
            },
        ] {
            assert_eq!(attempt.unconnected(&error).fault, Fault::Ours, "{error}");
        }
        assert_eq!(attempt.broken(&none_left()).fault, Fault::Ours);
    }
}
