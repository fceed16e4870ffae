//! Origins: who an answer comes from, and whether two URLs are the same party.
//!
//! Promises: two URLs have the same [`Origin`] only if a secret meant for one may be sent to the other.

use std::net::IpAddr;

use http::Uri;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

/// A scheme, a host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub scheme: Scheme,
    /// Lower case, without the brackets of an IPv6 literal.
    pub host: String,
    pub port: u16,
}

impl Origin {
    /// The origin of a URL. `None` for schemes other than HTTP's, and for URLs without a host or with
    /// credentials in them.
    pub fn of(uri: &Uri) -> Option<Self> {
        let (scheme, default_port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let port = match authority.as_str().strip_prefix(authority.host())? {
            "" => default_port,
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return None;
        }
        Some(Self { scheme, host, port })
    }

    /// The address, when the host is written as one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host:port`, as `CONNECT` wants it.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whether credentials for the host `ours` may go to the host `theirs`: they are the same, or belong to the
/// same registrable domain, as `auth.docker.io` and `registry-1.docker.io` do.
///
/// The registrable domain is the last two labels of a name; the last three when the top level is a country's
/// (two letters) and the label before it has at most three letters (`example.co.uk`, `example.com.au`). For
/// a short name below such a top level (`eu.gcr.io`) this is stricter than need be: only the same host
/// counts then. Addresses and names of one label are only ever the same as themselves.
pub fn same_party(ours: &str, theirs: &str) -> bool {
    ours.eq_ignore_ascii_case(theirs)
        || match (registrable(ours), registrable(theirs)) {
            (Some(ours), Some(theirs)) => ours.eq_ignore_ascii_case(theirs),
            _ => false,
        }
}

fn registrable(host: &str) -> Option<&str> {
    let host = host.trim_end_matches('.');
    if host.parse::<IpAddr>().is_ok() {
        return None;
    }
    let mut labels = host.rsplit('.');
    let (top, second) = (labels.next()?, labels.next()?);
    if top.is_empty() || second.is_empty() {
        return None;
    }
    let mut length = top.len() + 1 + second.len();
    if top.len() == 2 && second.len() <= 3 {
        length += 1 + labels.next()?.len();
    }
    Some(&host[host.len() - length..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(&text.parse().ok()?)
    }

    #[test]
    fn the_default_port_and_the_case_do_not_matter() {
        assert_eq!(origin("https://GHCR.io/x"), origin("https://ghcr.io:443/y"));
        assert_ne!(origin("http://ghcr.io:443/x"), origin("https://ghcr.io/x"));
        assert_ne!(origin("https://ghcr.io:444"), origin("https://ghcr.io"));
        assert_eq!(
            origin("http://[::1]:80/").map(|o| o.authority()),
            Some("[::1]:80".to_owned())
        );
    }

    #[test]
    fn what_is_not_http_or_hides_credentials_has_no_origin() {
        for text in ["ftp://x/", "/path", "https://user@x/", "https://x:99999/"] {
            assert_eq!(origin(text), None, "{text}");
        }
    }

    #[test]
    fn credentials_stay_in_the_family() {
        for (ours, theirs) in [
            ("registry-1.docker.io", "auth.docker.io"),
            ("ghcr.io", "ghcr.io"),
            ("gcr.io", "gcr.io"),
            ("registry.gitlab.com", "gitlab.com"),
            ("registry.example.co.uk", "login.example.co.uk"),
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "LOCALHOST"),
        ] {
            assert!(same_party(ours, theirs), "{ours} {theirs}");
        }
        for (ours, theirs) in [
            ("registry-1.docker.io", "auth.docker.io.evil.example"),
            ("registry-1.docker.io", "evildocker.io"),
            ("mirror.co.uk", "evil.co.uk"),
            ("example.com.au", "evil.com.au"),
            ("127.0.0.1", "127.0.0.2"),
            ("10.1.0.1", "10.2.0.1"),
            ("localhost", "127.0.0.1"),
            ("registry", "login"),
            ("registry", "registry.evil.example"),
            ("a.io", "io"),
        ] {
            assert!(!same_party(ours, theirs), "{ours} {theirs}");
        }
    }
}
