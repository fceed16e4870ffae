//! `[listen]`: where clients reach the mirror.

use std::{net::SocketAddr, path::PathBuf};

use super::{files::readable, reader::Section};

/// Addresses that are listened on; `None` is off. At least one is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub http: Option<SocketAddr>,
    pub https: Option<SocketAddr>,
    /// Without one, a certificate is made at the first start.
    pub certificate: Option<CertificateFiles>,
}

/// A certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

pub(super) fn read(s: &Section<'_>) -> Option<Listen> {
    let http = s.read::<Option<SocketAddr>>("http");
    let https = s.read::<Option<SocketAddr>>("https");
    let cert_file = readable(s, "cert_file");
    let key_file = readable(s, "key_file");
    let (http, https) = (http?, https?);
    match (http, https) {
        (None, None) => {
            s.refuse(
                "http",
                "neither `http` nor `https` has an address, so no client could reach the mirror",
                None,
                "set one of them, as http = \"127.0.0.1:5000\"",
            );
            return None;
        }
        // Port 0 is a different free port each time.
        (Some(one), Some(other)) if one == other && one.port() != 0 => {
            s.refuse(
                "https",
                "it is the same address as `http`",
                Some("an address and port of its own".into()),
                "use another port, as 5443",
            );
            return None;
        }
        _ => {}
    }
    let certificate = match (cert_file?, key_file?) {
        (Some(cert_file), Some(key_file)) => Some(CertificateFiles { cert_file, key_file }),
        (None, None) => None,
        (cert, _) => {
            let (set, missing) = if cert.is_some() {
                ("cert_file", "key_file")
            } else {
                ("key_file", "cert_file")
            };
            s.refuse(
                missing,
                &format!("it is empty and `{set}` is set"),
                Some("both, or neither for a certificate that is made at the first start".into()),
                "set both or neither",
            );
            return None;
        }
    };
    Some(Listen {
        http,
        https,
        certificate,
    })
}
