//! What all receivers send over: names, families, roots, proxies.
//!
//! Promises: making one opens no connection. Must not know: receivers.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use rustls::RootCertStore;

use super::http::Http;
use crate::{
    clock::Clock,
    config::ReceiverConfig,
    dial::{AddressPolicy, Connector, Families, InvalidCa, ProxySettings, Resolve, SystemNames, Wiring, tls},
};

/// For everything that belongs to one message.
const DEADLINE: Duration = Duration::from_secs(20);
/// For each step of opening a connection.
const STEP: Duration = Duration::from_secs(5);

/// A receiver that cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("read {} for the receiver \"{receiver}\"", path.display())]
    File {
        receiver: String,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("use the certificates of `ca_file`")]
    Ca(#[source] InvalidCa),
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

/// The way out. One for all receivers.
pub struct Line {
    resolver: Arc<dyn Resolve>,
    families: Arc<Families>,
    /// To which a receiver's own are added.
    roots: RootCertStore,
    proxy: ProxySettings,
    clock: Clock,
    deadline: Duration,
    received: Arc<AtomicU64>,
    opened: Arc<AtomicU64>,
}

impl Line {
    /// Reads the system's certificate store; once, at start.
    pub fn new(proxy: ProxySettings, clock: Clock) -> Self {
        Self::made_of(Arc::new(SystemNames::default()), proxy, clock, DEADLINE)
    }

    #[cfg(test)]
    pub(super) fn for_tests(resolver: Arc<dyn Resolve>, clock: Clock, deadline: Duration) -> Self {
        Self::made_of(resolver, ProxySettings::default(), clock, deadline)
    }

    fn made_of(resolver: Arc<dyn Resolve>, proxy: ProxySettings, clock: Clock, deadline: Duration) -> Self {
        Self {
            resolver,
            families: Arc::default(),
            roots: tls::common_roots(),
            proxy,
            clock,
            deadline,
            received: Arc::default(),
            opened: Arc::default(),
        }
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// For services over HTTP: through the box's proxy, if it has one.
    pub(super) fn http(&self, ca: Option<&[u8]>) -> Result<Http, Unusable> {
        let connector = self.connector(ca, tls::HTTP, self.proxy.clone())?;
        Ok(Http::new(
            connector,
            self.proxy.clone(),
            self.clock.clone(),
            self.deadline,
        ))
    }

    /// For everything else: a proxy for HTTP is no way for it.
    pub(super) fn direct(&self, ca: Option<&[u8]>) -> Result<Connector, Unusable> {
        self.connector(ca, &[], ProxySettings::default())
    }

    fn connector(
        &self,
        ca: Option<&[u8]>,
        speaks: &[&[u8]],
        proxy: ProxySettings,
    ) -> Result<Connector, Unusable> {
        let mut roots = self.roots.clone();
        if let Some(pem) = ca {
            tls::add_pem(&mut roots, pem).map_err(Unusable::Ca)?;
        }
        Ok(Connector::new(Wiring {
            resolver: self.resolver.clone(),
            families: self.families.clone(),
            // What receivers show of the line is not told: they are tried when it is known to be down.
            seen: Arc::default(),
            proxy,
            addresses: AddressPolicy::Any,
            tls: tls::client(roots, speaks).map_err(Unusable::Tls)?,
            patience: STEP,
            progress: self.deadline,
            received: self.received.clone(),
            opened: self.opened.clone(),
        }))
    }
}

/// The authorities that a receiver trusts besides the usual ones.
pub(super) fn ca(config: &ReceiverConfig) -> Result<Option<Vec<u8>>, Unusable> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|source| Unusable::File {
            receiver: config.name.clone(),
            path: path.clone(),
            source,
        })
    };
    config.ca_file.as_ref().map(read).transpose()
}
