//! HTTPS for a scripted upstream, with a certificate authority made for the occasion.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

/// What TLS needs.
#[derive(Clone)]
pub(super) struct Tls {
    pub acceptor: TlsAcceptor,
    pub ca_pem: String,
}

impl Tls {
    /// For `localhost`, HTTP/1.1 only.
    pub(super) fn for_localhost() -> Self {
        let mut authority = CertificateParams::new(Vec::new()).expect("no names is a valid list of names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().expect("a key can be made");
        let authority =
            CertifiedIssuer::self_signed(authority, authority_key).expect("a certificate can be made");
        let key = KeyPair::generate().expect("a key can be made");
        let names = vec!["localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("`localhost` is a valid name");
        // Not the authority's name: a certificate whose issuer has its own name counts as self-signed.
        params
            .distinguished_name
            .push(DnType::CommonName, "scripted upstream");
        let certificate = params
            .signed_by(&key, &authority)
            .expect("a certificate can be signed");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider knows the default versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .expect("the key fits the certificate");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca_pem: authority.pem(),
        }
    }
}
