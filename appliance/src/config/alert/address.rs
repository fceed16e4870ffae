//! Where a receiver is.
//!
//! Promises: a [`ServiceUrl`] has a scheme that its kind knows, and a host and port or, for sockets, a path; it does not
//! show, because many services put their token into it.

use std::{fmt, path::Path};

use http::Uri;

use super::super::{Secret, reader::Section};

/// What may stand before `://`, and the port that goes with it; without one it needs none.
pub(super) type Schemes = &'static [(&'static str, Option<u16>)];

pub(super) const HTTP: Schemes = &[("https", Some(443)), ("http", Some(80))];
pub(super) const SMTP: Schemes = &[("smtps", Some(465)), ("smtp", Some(587))];
pub(super) const MQTT: Schemes = &[("mqtts", Some(8883)), ("mqtt", Some(1883))];
pub(super) const SYSLOG: Schemes = &[
    ("udp", Some(514)),
    ("tcp", Some(514)),
    ("tls", Some(6514)),
    ("unix", None),
];

/// The URL of a service.
#[derive(Clone, PartialEq, Eq)]
pub struct ServiceUrl {
    text: Secret,
    scheme: &'static str,
    host: String,
    port: u16,
    path: String,
}

/// Why a text is no URL of a service. It may hold a token and is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAddress(&'static str);

impl ServiceUrl {
    fn parse(text: &str, schemes: Schemes) -> Result<Self, InvalidAddress> {
        let text = text.trim();
        let (scheme, rest) = text
            .split_once("://")
            .ok_or(InvalidAddress("it is not a URL for this kind"))?;
        let (scheme, standard) = *schemes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(scheme))
            .ok_or(InvalidAddress("it is not a URL for this kind"))?;
        let Some(standard) = standard else {
            if !Path::new(rest).is_absolute() {
                return Err(InvalidAddress("the path of a socket begins with a slash"));
            }
            return Ok(Self {
                text: Secret::new(text),
                scheme,
                host: String::new(),
                port: 0,
                path: rest.to_owned(),
            });
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(InvalidAddress(
                "credentials do not belong in it; they have settings of their own",
            ));
        }
        let is_http = matches!(scheme, "http" | "https");
        if !is_http && !matches!(path, "" | "/") {
            return Err(InvalidAddress("it cannot have a path here"));
        }
        if path.contains('#') {
            return Err(InvalidAddress("it cannot have a fragment"));
        }
        // The rules for hosts and ports are the same for all of them.
        let as_http: Uri = format!("http://{authority}{path}")
            .parse()
            .map_err(|_| InvalidAddress("it is not a URL"))?;
        let parsed = as_http.authority().ok_or(InvalidAddress("it has no host"))?;
        let host = parsed.host().trim_matches(['[', ']']).to_ascii_lowercase();
        if host.is_empty() {
            return Err(InvalidAddress("it has no host"));
        }
        let port = match parsed.as_str()[parsed.host().len()..].strip_prefix(':') {
            None => standard,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or(InvalidAddress("its port must be a number from 1 to 65535"))?,
        };
        Ok(Self {
            text: Secret::new(text),
            scheme,
            host,
            port,
            path: path.to_owned(),
        })
    }

    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// A name or an address, which if it is IPv6 is without its brackets; nothing, for a socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// With its query; the path of a socket.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole of it, for the one who sends to it.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }
}

/// What may be told of it.
impl fmt::Display for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.is_empty() {
            f.write_str(&self.path)
        } else if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for ServiceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceUrl({}://{self}…)", self.scheme)
    }
}

/// The address that was read from `key`.
pub(super) fn parse(s: &Section<'_>, key: &str, text: &Secret, schemes: Schemes) -> Option<ServiceUrl> {
    match ServiceUrl::parse(text.expose(), schemes) {
        Ok(url) => Some(url),
        Err(error) => {
            s.refuse(key, &error.to_string(), Some(allowed(schemes)), "mend it");
            None
        }
    }
}

/// What may be written, for a person.
pub(super) fn allowed(schemes: Schemes) -> String {
    let forms: Vec<String> = schemes
        .iter()
        .map(|(scheme, _)| format!("`{scheme}://…`"))
        .collect();
    forms.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_does_not_show() {
        let hook = ServiceUrl::parse("https://Hooks.example/T0/s3cret?x=1", HTTP).expect("a URL");
        assert_eq!(
            (hook.scheme(), hook.host(), hook.port()),
            ("https", "hooks.example", 443)
        );
        assert_eq!(hook.path(), "/T0/s3cret?x=1");
        assert!(!format!("{hook:?} {hook}").contains("s3cret"));
        let mail = ServiceUrl::parse("smtp://[::1]:2525", SMTP).expect("a URL");
        assert_eq!(
            (mail.host(), mail.port(), mail.to_string().as_str()),
            ("::1", 2525, "[::1]:2525")
        );
        let log = ServiceUrl::parse("unix:///dev/log", SYSLOG).expect("a URL");
        assert_eq!((log.host(), log.path()), ("", "/dev/log"));
        assert_eq!(
            ServiceUrl::parse("mqtt://broker/", MQTT).expect("a URL").port(),
            1883
        );
    }

    #[test]
    fn what_is_none_is_refused_without_being_repeated() {
        for (text, schemes) in [
            ("s3cret", HTTP),
            ("smtp://s3cret", HTTP),
            ("https://", HTTP),
            ("https://me:s3cret@host/", HTTP),
            ("https://s3cret host/", HTTP),
            ("https://host:0/s3cret", HTTP),
            ("https://host:99999/s3cret", HTTP),
            ("https://host/#s3cret", HTTP),
            ("mqtt://host/s3cret", MQTT),
            ("unix://s3cret", SYSLOG),
        ] {
            let error = ServiceUrl::parse(text, schemes).expect_err(text).to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
