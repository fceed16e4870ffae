//! What an upstream is told by its owner: plain data, parsed, with nothing left to check.
//!
//! Promises: an [`EndpointUrl`] names a scheme and a host and nothing secret; a [`Secret`] does not show in
//! any debug output. Must not know: the configuration file, and how any of it is used.

use std::{fmt, str::FromStr, time::Duration};

use http::Uri;

use crate::dial::{AddressPolicy, Origin, ProxySettings};
use crate::{memory::Pool, oci::UpstreamName};

/// One upstream registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub name: UpstreamName,
    /// In the order in which they are to be asked.
    pub endpoints: Vec<EndpointUrl>,
    pub credentials: Option<Credentials>,
    /// PEM certificates that are trusted for this upstream in addition to the usual roots.
    pub ca_pem: Option<Vec<u8>>,
    pub addresses: AddressPolicy,
}

/// What holds for all upstreams.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long each step of opening a connection may take: the TCP handshake of one address, a proxy's
    /// answer, the TLS handshake.
    pub connect_timeout: Duration,
    /// How long a body may go without moving.
    pub progress_timeout: Duration,
    pub user_agent: String,
    pub proxy: ProxySettings,
    /// How long an endpoint rests after its first failure. Doubles to [`Options::LONGEST_REST`].
    pub rest: Duration,
    /// What manifests and lists are covered by while they are read and as long as anybody holds them.
    pub room: Pool,
}

impl Options {
    /// Once a minute is seldom enough for a dead endpoint and often enough to notice that it is back.
    pub const LONGEST_REST: Duration = Duration::from_secs(60);
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            progress_timeout: Duration::from_secs(30),
            user_agent: concat!("larder/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: ProxySettings::default(),
            rest: Duration::from_secs(5),
            room: Pool::new(8 << 20),
        }
    }
}

/// A name and a password for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where an upstream is: `https://ghcr.io`, `http://127.0.0.1:5001`, `https://example.org/mirror`.
///
/// Prints as it was written, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointUrl {
    text: String,
    origin: Origin,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an endpoint: {reason}; write `https://host`, with `:port` and `/path` if it has them"
)]
pub struct InvalidEndpoint {
    text: String,
    reason: &'static str,
}

impl EndpointUrl {
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The address of something below `/v2/` on this endpoint.
    ///
    /// `path` is made of valid names, which are safe in a URL by construction.
    pub(super) fn at(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        format!("{}/v2/{path}", self.text).parse()
    }
}

impl FromStr for EndpointUrl {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().trim_end_matches('/');
        let invalid = |reason| InvalidEndpoint {
            // What stands before an `@` may be a password.
            text: text
                .rsplit('@')
                .next()
                .unwrap_or_default()
                .chars()
                .take(200)
                .collect(),
            reason,
        };
        if text.contains('@') {
            return Err(invalid("credentials do not belong into it"));
        }
        if text.contains(['?', '#']) {
            return Err(invalid("it has a query or a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| invalid("it is not a URL"))?;
        let origin =
            Origin::of(&uri).ok_or_else(|| invalid("it needs `https://` or `http://` and a host"))?;
        Ok(Self {
            text: text.to_owned(),
            origin,
        })
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_scheme_a_host_and_perhaps_a_path() {
        for (text, at) in [
            ("https://ghcr.io", "https://ghcr.io/v2/x"),
            ("https://ghcr.io/", "https://ghcr.io/v2/x"),
            ("http://127.0.0.1:5001", "http://127.0.0.1:5001/v2/x"),
            ("http://[::1]:5001", "http://[::1]:5001/v2/x"),
            ("https://example.org/a/b/", "https://example.org/a/b/v2/x"),
        ] {
            let url: EndpointUrl = text.parse().expect(text);
            assert_eq!(url.at("x").expect("valid").to_string(), at);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_without_showing_a_password() {
        for text in [
            "",
            "ghcr.io",
            "ftp://ghcr.io",
            "https://",
            "https:///v2",
            "https://u:hunter2@ghcr.io",
            "https://ghcr.io?x=y",
            "https://ghcr.io/#x",
            "https://gh cr.io",
        ] {
            let error = text.parse::<EndpointUrl>().expect_err(text).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        let credentials = Credentials {
            username: "larder".to_owned(),
            password: Secret::new("hunter2"),
        };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
