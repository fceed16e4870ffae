//! The address of a registry: `https://registry-1.docker.io`, `https://example.org/mirror`.

use std::{fmt, str::FromStr, sync::Arc};

use http::Uri;

use super::text::text_serde;

/// Whether bytes to an endpoint are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host and port of a registry, perhaps with a path; its API is at `/v2/` below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    text: Arc<str>,
    host: Arc<str>,
    port: u16,
    /// Where the path begins in the text.
    path: usize,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an endpoint: {reason}")]
pub struct InvalidEndpoint {
    text: String,
    reason: &'static str,
}

impl Endpoint {
    /// As it is written in logs and headers, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// A host name or an address; an IPv6 address is without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, written or the scheme's own.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host` or `host:port`, as in a URL and in a `Host` header.
    pub fn authority(&self) -> &str {
        &self.text[self.scheme.as_str().len() + 3..self.path]
    }

    /// `/mirror`, or nothing.
    pub fn path(&self) -> &str {
        &self.text[self.path..]
    }

    /// The same, if it is a host and nothing more.
    pub fn without_path(self) -> Result<Self, InvalidEndpoint> {
        if self.path().is_empty() {
            return Ok(self);
        }
        Err(InvalidEndpoint {
            text: self.text.to_string(),
            reason: "it cannot have a path here",
        })
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What is refused may hold a password: it is not repeated in full.
        let refuse = |reason| InvalidEndpoint {
            text: match text.rsplit_once('@') {
                Some((_, host)) => format!("…@{host}"),
                None => text.chars().take(300).collect(),
            },
            reason,
        };
        let written = text.trim();
        let scheme = match written
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase())
        {
            Some(scheme) if scheme == "http" => Scheme::Http,
            Some(scheme) if scheme == "https" => Scheme::Https,
            Some(_) => return Err(refuse("its scheme must be `http` or `https`")),
            None => return Err(refuse("it must start with `https://` or `http://`")),
        };
        if written.contains('@') {
            return Err(refuse(
                "credentials do not belong in it; use `username` and `password_file`",
            ));
        }
        if written.contains(['?', '#']) {
            return Err(refuse("it cannot have a query or a fragment"));
        }
        let uri: Uri = written
            .parse()
            .map_err(|_| refuse("it is not a URL, as `https://ghcr.io`"))?;
        let path = match uri.path().trim_end_matches('/') {
            path if path.ends_with("/v2") => {
                return Err(refuse("leave out `/v2`, which is always added"));
            }
            path => path,
        };
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refuse("it has no host"));
        }
        let written_port = authority.as_str()[authority.host().len()..].strip_prefix(':');
        let port = match written_port.map(str::parse::<u16>) {
            None => scheme.port(),
            Some(Ok(port)) if port > 0 => port,
            Some(_) => return Err(refuse("its port must be a number from 1 to 65535")),
        };
        let authority = authority.as_str().to_ascii_lowercase();
        let base = format!("{}://{authority}", scheme.as_str());
        Ok(Self {
            scheme,
            path: base.len(),
            text: (base + path).into(),
            host: host.to_ascii_lowercase().into(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_serde!(Endpoint);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_taken_apart() {
        let hub: Endpoint = "https://Registry-1.docker.io/".parse().expect("an endpoint");
        assert_eq!(hub.as_str(), "https://registry-1.docker.io");
        assert_eq!((hub.host(), hub.port()), ("registry-1.docker.io", 443));
        let local: Endpoint = "http://[::1]:5001".parse().expect("an endpoint");
        assert_eq!((local.host(), local.port()), ("::1", 5001));
        assert_eq!(local.authority(), "[::1]:5001");
        assert_eq!((local.scheme(), local.path()), (Scheme::Http, ""));
        let below: Endpoint = "https://Example.org/A/b/".parse().expect("an endpoint");
        assert_eq!(below.as_str(), "https://example.org/A/b");
        assert_eq!((below.authority(), below.path()), ("example.org", "/A/b"));
        assert!(below.without_path().is_err() && local.without_path().is_ok());
    }

    #[test]
    fn what_else_a_url_can_hold_is_refused() {
        for bad in [
            "ghcr.io",
            "ftp://ghcr.io",
            "https://",
            "https://user:secret@ghcr.io",
            "https://ghcr.io?x=1",
            "https://ghcr.io#x",
            "https://ghcr.io/v2",
            "https://ghcr.io/mirror/v2/",
            "https://ghcr.io:",
            "https://ghcr.io:99999",
            "https://gh cr.io",
        ] {
            let refused = bad.parse::<Endpoint>().expect_err(bad).to_string();
            assert!(!refused.contains("secret"), "{refused}");
        }
    }
}
