//! Errors of setting an upstream up. What goes wrong while asking one is a [`SourceError`].
//!
//! Promises: each names what was being set up; the cause is its source and is not repeated.
//!
//! [`SourceError`]: crate::source::SourceError

use crate::{dial::InvalidCa, oci::UpstreamName};

/// An upstream, or the client they share, that cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
    #[error("read the certificates of `ca_file` for {upstream}")]
    CaFile {
        upstream: UpstreamName,
        #[source]
        source: InvalidCa,
    },
    #[error("{upstream} has no endpoint: give it at least one")]
    NoEndpoint { upstream: UpstreamName },
    #[error("`{text}` cannot stand in a User-Agent header")]
    UserAgent { text: String },
}
