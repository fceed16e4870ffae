//! Which connections go through a proxy.
//!
//! The customary environment variables: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, in upper or lower case.
//! Promises: loopback is never proxied; a variable that cannot be used is an error and not ignored; the
//! proxy's password does not show. Must not know: sockets.

use std::{fmt, net::IpAddr};

use data_encoding::BASE64;
use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::origin::{Origin, Scheme};

/// The proxies of this box. The default is none.
#[derive(Clone, Debug, Default)]
pub struct ProxySettings {
    https: Option<Proxy>,
    http: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// A proxy: where it is, and what it wants to hear.
#[derive(Clone)]
pub struct Proxy {
    pub origin: Origin,
    /// `Proxy-Authorization`, if its URL has credentials.
    pub authorization: Option<HeaderValue>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.origin.authority())
    }
}

/// A proxy variable that cannot be used. Its value may hold a password and is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the value of {variable} is not a proxy: write `http://host:port`, with `user:password@` before the host if need be"
)]
pub struct InvalidProxy {
    variable: &'static str,
}

/// An entry of `NO_PROXY`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    Everything,
    /// A name and all below it, on one port or on any.
    Name {
        suffix: String,
        port: Option<u16>,
    },
    Network {
        base: IpAddr,
        prefix: u8,
        port: Option<u16>,
    },
}

impl ProxySettings {
    /// Reads the variables through `variable`, which returns a variable's value.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidProxy> {
        let read = |upper: &'static str| {
            let value = variable(upper).or_else(|| variable(&upper.to_ascii_lowercase()));
            value.map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
        };
        let proxy = |name| {
            read(name)
                .map(|value| parse(&value).ok_or(InvalidProxy { variable: name }))
                .transpose()
        };
        Ok(Self {
            https: proxy("HTTPS_PROXY")?,
            http: proxy("HTTP_PROXY")?,
            exceptions: read("NO_PROXY")
                .unwrap_or_default()
                .split([',', ' '])
                .filter_map(exception)
                .collect(),
        })
    }

    /// The proxy on the way to `target`, if there is one.
    pub fn towards(&self, target: &Origin) -> Option<&Proxy> {
        let is_loopback = target.host == "localhost"
            || target.host.ends_with(".localhost")
            || target.ip().is_some_and(|ip| ip.to_canonical().is_loopback());
        if is_loopback || self.exceptions.iter().any(|exception| exception.covers(target)) {
            return None;
        }
        match target.scheme {
            Scheme::Https => self.https.as_ref(),
            Scheme::Http => self.http.as_ref(),
        }
    }
}

fn parse(value: &str) -> Option<Proxy> {
    let value = if value.contains("://") {
        value.to_owned()
    } else {
        format!("http://{value}")
    };
    // TLS to the proxy itself is not offered: hardly any site has one, and it would be TLS within TLS.
    let rest = value.strip_prefix("http://")?.trim_end_matches('/');
    let (userinfo, host) = match rest.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, rest),
    };
    let uri: Uri = format!("http://{host}").parse().ok()?;
    let authorization = match userinfo {
        Some(userinfo) => {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            let plain = [
                percent_decode_str(user).collect(),
                b":".to_vec(),
                percent_decode_str(password).collect(),
            ]
            .concat();
            let mut header = HeaderValue::try_from(format!("Basic {}", BASE64.encode(&plain))).ok()?;
            header.set_sensitive(true);
            Some(header)
        }
        None => None,
    };
    Some(Proxy {
        origin: Origin::of(&uri)?,
        authorization,
    })
}

fn exception(text: &str) -> Option<Exception> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        return Some(Exception::Everything);
    }
    let (host, port) = split_port(&text);
    let (address, prefix) = match host.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
        None => (host, None),
    };
    if let Ok(base) = address.trim_matches(['[', ']']).parse::<IpAddr>() {
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        return (prefix <= longest).then_some(Exception::Network { base, prefix, port });
    }
    let suffix = host.trim_start_matches('*').trim_start_matches('.');
    (!suffix.is_empty() && prefix.is_none()).then(|| Exception::Name {
        suffix: suffix.to_owned(),
        port,
    })
}

/// `host:port` → both; an IPv6 address has colons of its own and its port needs brackets.
fn split_port(text: &str) -> (&str, Option<u16>) {
    let bare_v6 = text.matches(':').count() > 1 && !text.contains(']');
    match text.rsplit_once(':') {
        Some((host, port)) if !bare_v6 => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (text, None),
        },
        _ => (text, None),
    }
}

impl Exception {
    fn covers(&self, target: &Origin) -> bool {
        let on = |port: &Option<u16>| port.is_none_or(|port| port == target.port);
        match self {
            Self::Everything => true,
            Self::Name { suffix, port } => {
                let below = target
                    .host
                    .strip_suffix(suffix.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && on(port)
            }
            Self::Network { base, prefix, port } => {
                target
                    .ip()
                    .is_some_and(|ip| in_network(ip.to_canonical(), *base, *prefix))
                    && on(port)
            }
        }
    }
}

fn in_network(address: IpAddr, base: IpAddr, prefix: u8) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            address.to_bits() & mask == base.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            address.to_bits() & mask == base.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
#[path = "tests/proxy.rs"]
mod tests;
