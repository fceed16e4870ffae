//! What all clients need to know: where the box is, and which registries it mirrors.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use crate::{
    config::{Config, Endpoint, InvalidEndpoint, Scheme, Scope, UpstreamConfig},
    lan, tls,
};

/// Why no configuration can be printed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("read --address")]
    Address(#[source] InvalidEndpoint),
    #[error(
        "this box has no address on a network yet; say how clients reach it with `--address box.lan:5000`"
    )]
    NoAddress,
}

/// The box and its registries.
#[derive(Debug)]
pub(super) struct Site<'a> {
    /// Where clients reach the box.
    pub(super) mirror: Endpoint,
    /// The box's own certificate, which clients must be told to trust.
    pub(super) own_certificate: Option<PathBuf>,
    pub(super) config: &'a Config,
}

impl<'a> Site<'a> {
    pub(super) fn new(config: &'a Config, address: Option<&str>) -> Result<Self, SetupError> {
        let (scheme, listening) = match (config.listen.http, config.listen.https) {
            (Some(http), _) => (Scheme::Http, Some(http)),
            (None, https) => (Scheme::Https, https),
        };
        let text = match address {
            Some(text) => spelled_out(text, scheme, listening),
            None => {
                let listening = reachable(listening.ok_or(SetupError::NoAddress)?)?;
                format!("{}://{listening}", scheme.as_str())
            }
        };
        let mirror = text.parse::<Endpoint>().and_then(Endpoint::without_path);
        let mirror = mirror.map_err(SetupError::Address)?;
        let own = mirror.scheme() == Scheme::Https && config.listen.certificate.is_none();
        Ok(Self {
            own_certificate: own.then(|| tls::own_files(&config.data_dir).cert_file),
            mirror,
            config,
        })
    }

    /// Upstreams that a path can name: `box:5000/ghcr.io/owner/app`. A port cannot stand in a path.
    pub(super) fn by_path(&self) -> impl Iterator<Item = &'a UpstreamConfig> {
        self.config
            .upstreams
            .iter()
            .filter(|upstream| !upstream.name.as_str().contains([':', '[']))
    }

    pub(super) fn is_open(&self) -> bool {
        self.config.scope == Scope::Open
    }

    pub(super) fn is_plain(&self) -> bool {
        self.mirror.scheme() == Scheme::Http
    }

    /// `host:port` of the box.
    pub(super) fn host(&self) -> &str {
        self.mirror.authority()
    }

    /// What matters for every client.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let loopback = self
            .mirror
            .host()
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
        if loopback || self.mirror.host() == "localhost" {
            notes.push(format!(
                "{} is this box itself; for other machines set `listen.http = \"[::]:5000\"` or give `--address`",
                self.host()
            ));
        }
        if let Some(path) = &self.own_certificate {
            notes.push(format!(
                "copy {} from this box to /etc/larder-ca.pem on the client",
                path.display()
            ));
        }
        notes
    }

    /// Where a client keeps the box's own certificate, if it needs one.
    pub(super) fn client_certificate(&self) -> Option<&'static str> {
        self.own_certificate.is_some().then_some("/etc/larder-ca.pem")
    }
}

/// An address that others can use for one that is listened on.
fn reachable(listening: SocketAddr) -> Result<SocketAddr, SetupError> {
    if !listening.ip().is_unspecified() {
        return Ok(listening);
    }
    let ip = lan::routed_address().ok_or(SetupError::NoAddress)?;
    Ok(SocketAddr::new(ip, listening.port()))
}

/// What a person typed, with scheme and port.
fn spelled_out(text: &str, scheme: Scheme, listening: Option<SocketAddr>) -> String {
    if text.contains("://") {
        return text.to_owned();
    }
    let bare = text.parse::<IpAddr>();
    let has_port = bare.is_err()
        && text
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.ends_with(']'));
    let host = match bare {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ => text.to_owned(),
    };
    match listening {
        Some(listening) if !has_port => format!("{}://{host}:{}", scheme.as_str(), listening.port()),
        _ => format!("{}://{host}", scheme.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_spelled_out() {
        let listening = "[::]:5000".parse().ok();
        for (text, full) in [
            ("box.lan", "http://box.lan:5000"),
            ("box.lan:80", "http://box.lan:80"),
            ("192.0.2.7", "http://192.0.2.7:5000"),
            ("2001:db8::7", "http://[2001:db8::7]:5000"),
            ("[2001:db8::7]", "http://[2001:db8::7]:5000"),
            ("[2001:db8::7]:80", "http://[2001:db8::7]:80"),
            ("https://box.lan", "https://box.lan"),
        ] {
            assert_eq!(spelled_out(text, Scheme::Http, listening), full);
        }
    }
}
