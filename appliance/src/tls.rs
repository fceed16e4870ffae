//! The certificate that clients see.
//!
//! Given as files, or made at the first start and kept in `<data_dir>/tls/`. A certificate that was made is
//! kept for ever: clients were told to trust it, and a new address of the box must not break them.
//! Promises: the key is readable by this user only, at every moment; a power cut leaves both files or none
//! that counts. Must not know: who listens.

use std::{
    fs,
    io::{self, Write as _},
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};

use crate::{config::CertificateFiles, lan};

/// What a certificate is made out to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub hostname: String,
    pub addresses: Vec<IpAddr>,
}

impl Subject {
    /// The box this runs on.
    pub fn this_box() -> Self {
        Self {
            hostname: lan::hostname(),
            addresses: lan::local_addresses(),
        }
    }

    fn names(&self) -> Vec<String> {
        let hostname = self.hostname.to_ascii_lowercase();
        let mut names = vec!["larder.local".to_owned(), "localhost".to_owned()];
        let fits = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'.';
        if !hostname.is_empty() && hostname.bytes().all(fits) && !names.contains(&hostname) {
            names.push(hostname);
        }
        names.extend(self.addresses.iter().map(ToString::to_string));
        names
    }
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("read the certificate {path}")]
    Certificate {
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("read the certificate {path}: the file holds none")]
    NoCertificate { path: PathBuf },
    #[error("read the private key {path}")]
    Key {
        path: PathBuf,
        #[source]
        cause: pem::Error,
    },
    #[error("use the certificate {cert} with the key {key}")]
    Mismatch {
        cert: PathBuf,
        key: PathBuf,
        #[source]
        cause: rustls::Error,
    },
    #[error("make a certificate")]
    Make(#[source] rcgen::Error),
    #[error("store {path}")]
    Store {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

/// Where a certificate that is made here is kept.
pub fn own_files(data_dir: &Path) -> CertificateFiles {
    let folder = data_dir.join("tls");
    CertificateFiles {
        cert_file: folder.join("cert.pem"),
        key_file: folder.join("key.pem"),
    }
}

/// The TLS side of a listener: the given certificate, else the box's own, which is made for `subject` if
/// there is none yet.
pub fn server_config(
    given: Option<&CertificateFiles>,
    data_dir: &Path,
    subject: &Subject,
) -> Result<Arc<ServerConfig>, TlsError> {
    if let Some(files) = given {
        return load(files);
    }
    let files = own_files(data_dir);
    if files.cert_file.exists() {
        match load(&files) {
            Ok(config) => return Ok(config),
            // Nobody is there to mend it, and no client can use it as it is.
            Err(e) => tracing::warn!(
                error = crate::source::chain(&e),
                "the certificate is damaged: a new one is made, clients must be told to trust it"
            ),
        }
    }
    make(&files, subject)?;
    load(&files)
}

fn make(files: &CertificateFiles, subject: &Subject) -> Result<(), TlsError> {
    let key = rcgen::KeyPair::generate().map_err(TlsError::Make)?;
    // The default validity, 1975 to 4096, is what a box without a battery needs.
    let mut parameters = rcgen::CertificateParams::new(subject.names()).map_err(TlsError::Make)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Larder registry mirror");
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = parameters.self_signed(&key).map_err(TlsError::Make)?;
    // The certificate last: as long as it is not there, nothing is.
    store(&files.key_file, key.serialize_pem().as_bytes(), 0o600)?;
    store(&files.cert_file, certificate.pem().as_bytes(), 0o644)
}

/// Puts a file in place whole, with its permissions from the first moment.
fn store(path: &Path, content: &[u8], mode: u32) -> Result<(), TlsError> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let fresh = path.with_extension("new");
        // A leftover may have other permissions.
        match fs::remove_file(&fresh) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        fs::File::open(folder)?.sync_all()
    };
    write().map_err(|cause| TlsError::Store {
        path: path.to_owned(),
        cause,
    })
}

fn load(files: &CertificateFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let CertificateFiles { cert_file, key_file } = files;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert_file)
        .and_then(Iterator::collect)
        .map_err(|cause| TlsError::Certificate {
            path: cert_file.clone(),
            cause,
        })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate {
            path: cert_file.clone(),
        });
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|cause| TlsError::Key {
        path: key_file.clone(),
        cause,
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|cause| TlsError::Mismatch {
            cert: cert_file.clone(),
            key: key_file.clone(),
            cause,
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn subject() -> Subject {
        Subject {
            hostname: "Box_7".into(),
            addresses: vec!["192.0.2.7".parse().expect("an address")],
        }
    }

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = server_config(None, folder.path(), &subject()).expect("TLS");
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        let files = own_files(folder.path());
        let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
        assert_eq!(
            (mode(&files.key_file), mode(&files.cert_file) & 0o600),
            (0o600, 0o600)
        );
        let first = fs::read(&files.cert_file).expect("a file");
        server_config(None, folder.path(), &subject()).expect("TLS");
        assert_eq!(fs::read(&files.cert_file).expect("a file"), first);
        assert_eq!(
            fs::read_dir(folder.path().join("tls")).expect("a folder").count(),
            2
        );
    }

    #[test]
    fn a_damaged_certificate_of_ours_is_made_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        server_config(None, folder.path(), &subject()).expect("TLS");
        fs::write(own_files(folder.path()).key_file, "").expect("a file");
        server_config(None, folder.path(), &subject()).expect("TLS");
    }

    #[test]
    fn what_was_given_is_never_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let one = own_files(&folder.path().join("one"));
        let two = own_files(&folder.path().join("two"));
        make(&one, &subject()).expect("files");
        make(&two, &subject()).expect("files");
        let crossed = CertificateFiles {
            cert_file: one.cert_file.clone(),
            key_file: two.key_file,
        };
        let error = server_config(Some(&crossed), folder.path(), &subject()).expect_err("a mismatch");
        assert!(matches!(error, TlsError::Mismatch { .. }), "{error:?}");
        fs::write(&one.cert_file, "nothing").expect("a file");
        let error = server_config(Some(&one), folder.path(), &subject()).expect_err("no certificate");
        assert!(matches!(error, TlsError::NoCertificate { .. }), "{error:?}");
    }

    #[test]
    fn names_that_cannot_stand_in_a_certificate_are_left_out() {
        assert_eq!(subject().names(), ["larder.local", "localhost", "192.0.2.7"]);
    }
}
