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

use super::error::{InvalidCa, UpstreamError};

/// The built-in roots, and those of the system as far as they can be read.
pub(super) fn common_roots() -> RootCertStore {
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

/// Adds the certificates of an upstream's own `ca_file`.
pub(super) fn add_pem(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), InvalidCa> {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots
            .add(certificate.map_err(InvalidCa::Pem)?)
            .map_err(InvalidCa::Root)?;
        count += 1;
    }
    if count == 0 { Err(InvalidCa::Empty) } else { Ok(()) }
}

/// A client that verifies its servers and speaks HTTP/2 where they do.
pub(super) fn client(roots: RootCertStore) -> Result<Arc<ClientConfig>, UpstreamError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(UpstreamError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
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
