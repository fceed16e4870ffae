//! What all upstreams share, and how one is made from its settings.
//!
//! Promises: making one opens no connection and reads no name server's address: a box without a network
//! starts. Must not know: the configuration.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::{
    auth::Auth,
    endpoint::Endpoint,
    error::UpstreamError,
    operation::Counts,
    record::Record,
    settings::{Options, Settings},
    transport::{Transport, Waits},
};
use crate::{
    clock::Clock,
    dial::{Connector, Families, Resolve, Seen, SystemNames, Ways, Wiring, tls},
    source::SourceName,
};

/// The one client of a process. Clones are the same client.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    options: Options,
    user_agent: HeaderValue,
    clock: Clock,
    /// For upstreams with certificates of their own to begin with.
    roots: RootCertStore,
    /// For all others.
    tls: Arc<ClientConfig>,
    resolver: Arc<dyn Resolve>,
    families: Arc<Families>,
    seen: Arc<Seen>,
    received: Arc<AtomicU64>,
    opened: Arc<AtomicU64>,
    requests: Arc<Counts>,
}

/// What went over the WAN, of all upstreams, since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes received, TLS and headers included.
    pub wan_bytes: u64,
    /// Connections opened.
    pub connections: u64,
    /// HTTP requests sent, by kind.
    pub requests: Vec<(&'static str, u64)>,
}

impl Client {
    /// Reads the system's certificate store; once, at start.
    pub fn new(options: Options, clock: Clock) -> Result<Self, UpstreamError> {
        Self::with_names(options, clock, Arc::new(SystemNames::default()))
    }

    pub(super) fn with_names(
        options: Options,
        clock: Clock,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, UpstreamError> {
        let user_agent =
            HeaderValue::try_from(&options.user_agent).map_err(|_| UpstreamError::UserAgent {
                text: options.user_agent.clone(),
            })?;
        let roots = tls::common_roots();
        Ok(Self(Arc::new(Inner {
            options,
            user_agent,
            clock,
            tls: tls::client(roots.clone(), tls::HTTP).map_err(UpstreamError::Tls)?,
            roots,
            resolver,
            families: Arc::default(),
            seen: Arc::default(),
            received: Arc::default(),
            opened: Arc::default(),
            requests: Arc::default(),
        })))
    }

    /// The endpoints of an upstream, in the order of its settings. They share their connections.
    pub fn endpoints(&self, settings: &Settings) -> Result<Vec<Arc<Endpoint>>, UpstreamError> {
        if settings.endpoints.is_empty() {
            return Err(UpstreamError::NoEndpoint {
                upstream: settings.name.clone(),
            });
        }
        let transport = Arc::new(self.transport(settings)?);
        let options = &self.0.options;
        let endpoint = |url: &super::EndpointUrl| {
            Arc::new(Endpoint {
                upstream: settings.name.clone(),
                name: SourceName::new(&url.to_string()),
                url: url.clone(),
                transport: transport.clone(),
                families: self.0.families.clone(),
                room: options.room.clone(),
                auth: Auth::new(url.origin().clone(), settings.credentials.as_ref()),
                record: Record::new(options.rest, Options::LONGEST_REST, fastrand::Rng::new()),
            })
        };
        Ok(settings.endpoints.iter().map(endpoint).collect())
    }

    pub fn usage(&self) -> Usage {
        Usage {
            wan_bytes: self.0.received.load(Relaxed),
            connections: self.0.opened.load(Relaxed),
            requests: self.0.requests.read(),
        }
    }

    /// What connecting has shown of names and address families.
    pub fn ways(&self) -> Ways {
        self.0.seen.read(Instant::now())
    }

    fn transport(&self, settings: &Settings) -> Result<Transport, UpstreamError> {
        let inner = &self.0;
        let tls = match &settings.ca_pem {
            Some(pem) => {
                let mut roots = inner.roots.clone();
                tls::add_pem(&mut roots, pem).map_err(|source| UpstreamError::CaFile {
                    upstream: settings.name.clone(),
                    source,
                })?;
                tls::client(roots, tls::HTTP).map_err(UpstreamError::Tls)?
            }
            None => inner.tls.clone(),
        };
        let connector = Connector::new(Wiring {
            resolver: inner.resolver.clone(),
            families: inner.families.clone(),
            seen: inner.seen.clone(),
            proxy: inner.options.proxy.clone(),
            addresses: settings.addresses,
            tls,
            patience: inner.options.connect_timeout,
            progress: inner.options.progress_timeout,
            received: inner.received.clone(),
            opened: inner.opened.clone(),
        });
        Ok(Transport::new(
            connector,
            inner.options.proxy.clone(),
            inner.user_agent.clone(),
            inner.requests.clone(),
            inner.clock.clone(),
            &Waits {
                patience: inner.options.connect_timeout,
                progress: inner.options.progress_timeout,
            },
        ))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.usage().fmt(f)
    }
}
