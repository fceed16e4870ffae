//! TLS: which roots are trusted, and how connections are set up.
//!
//! Promises: the provider is named, never the process's default; a box without a certificate store trusts the
//! roots that are built in. Must not know: hosts.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// What is spoken over HTTP's connections.
pub const HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What is wrong with a file of certificates.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCa {
    #[error("there is no certificate in it: it must hold PEM blocks that begin with `BEGIN CERTIFICATE`")]
    Empty,
    #[error("a PEM block is damaged")]
    Pem(#[source] rustls::pki_types::pem::Error),
    #[error("a certificate is not usable as a root")]
    Root(#[source] rustls::Error),
}

/// The built-in roots, and those of the system as far as they can be read.
pub fn common_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        // The image has no store; the roots above are what it has.
        tracing::debug!(%error, "part of the system's certificate store is left out");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Adds the certificates of an owner's `ca_file`.
pub fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), InvalidCa> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots
            .add(certificate.map_err(InvalidCa::Pem)?)
            .map_err(InvalidCa::Root)?;
        count += 1;
    }
    if count == 0 { Err(InvalidCa::Empty) } else { Ok(()) }
}

/// A client that verifies its servers, and says what it speaks: [`HTTP`], or nothing.
pub fn client(roots: RootCertStore, speaks: &[&[u8]]) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = speaks.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_roots_without_a_store() {
        assert!(common_roots().len() > 50);
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        let mut roots = RootCertStore::empty();
        assert!(matches!(add_pem(&mut roots, b"hello"), Err(InvalidCa::Empty)));
        let key = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(
            add_pem(&mut roots, key.as_bytes()),
            Err(InvalidCa::Root(_))
        ));
    }
}
