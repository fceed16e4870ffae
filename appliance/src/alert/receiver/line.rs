//! What all receivers send over: names, families, roots, proxies.
//!
//! Promises: making one opens no connection. Must not know: receivers.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use rustls::RootCertStore;

use super::http::Http;
use crate::{
    clock::Clock,
    dial::{AddressPolicy, Connector, Families, InvalidCa, ProxySettings, Resolve, SystemNames, Wiring, tls},
};

/// For everything that belongs to one message.
const DEADLINE: Duration = Duration::from_secs(20);
/// For each step of opening a connection.
const STEP: Duration = Duration::from_secs(5);

/// A receiver that cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("read {} for {whose}", path.display())]
    File {
        whose: String,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("use the certificates of {} for {whose}", path.display())]
    Ca {
        whose: String,
        path: PathBuf,
        #[source]
        source: InvalidCa,
    },
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

/// Which authorities are trusted besides the usual ones, and for whom.
pub(super) struct Trust<'a> {
    pub(super) whose: String,
    pub(super) ca_file: Option<&'a Path>,
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
    pub(super) fn http(&self, trust: &Trust<'_>) -> Result<Http, Unusable> {
        Ok(Http::new(
            self.towards(trust)?,
            self.proxy.clone(),
            self.clock.clone(),
            self.deadline,
        ))
    }

    /// The connections for those.
    pub(super) fn towards(&self, trust: &Trust<'_>) -> Result<Connector, Unusable> {
        self.connector(trust, tls::HTTP, self.proxy.clone())
    }

    /// For everything else: a proxy for HTTP is no way for it.
    pub(super) fn direct(&self, trust: &Trust<'_>) -> Result<Connector, Unusable> {
        self.connector(trust, &[], ProxySettings::default())
    }

    fn connector(
        &self,
        trust: &Trust<'_>,
        speaks: &[&[u8]],
        proxy: ProxySettings,
    ) -> Result<Connector, Unusable> {
        let mut roots = self.roots.clone();
        if let Some(path) = trust.ca_file {
            let (whose, path) = (trust.whose.clone(), path.to_owned());
            let pem = match std::fs::read(&path) {
                Ok(pem) => pem,
                Err(source) => return Err(Unusable::File { whose, path, source }),
            };
            tls::add_pem(&mut roots, &pem).map_err(|source| Unusable::Ca { whose, path, source })?;
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
