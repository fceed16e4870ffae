//! Which step of opening a connection failed, and whose fault it is.
//!
//! Promises: the words name the host, never a secret. Must not know: how connections are opened.

use std::io;

use super::{origin::Origin, race::Lost, resolve::ResolveError, tunnel::TunnelError};

/// Which step of connecting to `host` failed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("this is not a URL that can be connected to")]
    Url,
    #[error("resolve {host}")]
    Resolve {
        host: String,
        #[source]
        source: ResolveError,
    },
    #[error("{host} is not on the public internet, and only public registries are open to all")]
    Forbidden { host: String },
    #[error("connect to {host}")]
    Connect {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("open a tunnel to {host}")]
    Tunnel {
        host: String,
        #[source]
        source: TunnelError,
    },
    #[error("agree on TLS with {host}")]
    Tls {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("{host} took the connection and did not go on with it")]
    Silent { host: String },
}

pub(super) fn forbidden(target: &Origin) -> ConnectError {
    ConnectError::Forbidden {
        host: target.host.clone(),
    }
}

pub(super) fn silent(target: &Origin) -> ConnectError {
    ConnectError::Silent {
        host: target.host.clone(),
    }
}

/// The error to tell of a lost race: what is ours first, then silence, for that one costs the most.
pub(super) fn worst(Lost(failed): Lost) -> io::Error {
    let rank = |error: &io::Error| match error.kind() {
        _ if is_ours(error) => 0,
        io::ErrorKind::TimedOut => 1,
        _ => 2,
    };
    failed
        .into_iter()
        .map(|(_, error)| error)
        .min_by_key(rank)
        .unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Whether an error of the kernel means that this process or this box is out of file descriptors or memory.
pub fn is_ours(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
