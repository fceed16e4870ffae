//! The scripted upstream: a registry on loopback that serves from memory and fails on command.
//!
//! Promises: without a script it is a correct registry (OCI distribution 1.1, pull half, Bearer tokens, an
//! optional CDN); with one, exactly the scripted requests go wrong, in exactly the scripted way; every
//! request is on record, with the bytes that were sent for it.
//! Must not know: who asks.

mod answer;
mod auth;
mod connection;
mod content;
mod fault;
mod gate;
mod listener;
mod log;
mod pace;
mod plan;
mod request;
mod settings;
mod tls;

pub use auth::Auth;
pub use content::Content;
pub use fault::{At, Fault, Rule, Script, Times};
pub use gate::Gate;
pub use listener::{Mode, hole};
pub use log::{Log, Outcome, Record};
pub use request::{Kind, Request};
pub use settings::Settings;

use std::{net::SocketAddr, sync::Arc};

use auth::Tokens;
use listener::Listener;
use pace::Pace;
use tokio::sync::watch;

/// What all connections of one upstream share.
struct Shared {
    settings: Settings,
    content: Arc<Content>,
    script: Script,
    log: Log,
    tokens: Tokens,
    pace: Pace,
    registry: SocketAddr,
    cdn: SocketAddr,
    /// Both ports' modes, for a fault that takes everything down.
    ports: [watch::Sender<Mode>; 2],
}

/// A running scripted upstream.
pub struct Upstream {
    shared: Arc<Shared>,
    registry: Listener,
    cdn: Listener,
}

impl Upstream {
    /// One that is open to all, with no limits and empty content.
    pub async fn start() -> Self {
        Settings::default().start().await
    }

    async fn start_with(settings: Settings, content: Arc<Content>) -> Self {
        let registry = Listener::bind(&settings).await;
        let cdn = Listener::bind(&settings).await;
        let shared = Arc::new(Shared {
            pace: Pace::new(settings.rate),
            settings,
            content,
            script: Script::default(),
            log: Log::default(),
            tokens: Tokens::default(),
            registry: registry.address(),
            cdn: cdn.address(),
            ports: [registry.wanted(), cdn.wanted()],
        });
        registry.serve(shared.clone());
        cdn.serve(shared.clone());
        Self {
            shared,
            registry,
            cdn,
        }
    }

    pub fn content(&self) -> &Arc<Content> {
        &self.shared.content
    }

    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    pub fn log(&self) -> &Log {
        &self.shared.log
    }

    pub fn address(&self) -> SocketAddr {
        self.shared.registry
    }

    pub fn port(&self) -> u16 {
        self.shared.registry.port()
    }

    /// Where it is: `http://127.0.0.1:…`, or `https://localhost:…` with TLS.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// The certificate that signs this upstream's, as PEM.
    ///
    /// # Panics
    /// Without TLS in the settings.
    pub fn ca_pem(&self) -> &str {
        &self
            .shared
            .settings
            .tls
            .as_ref()
            .expect("the upstream was started with TLS")
            .ca_pem
    }

    /// Changes how connections are received, at the registry and its CDN.
    pub async fn set_mode(&self, mode: Mode) {
        self.registry.set_mode(mode).await;
        self.cdn.set_mode(mode).await;
    }

    /// From now on connections are refused; open ones are reset.
    pub async fn refuse(&self) {
        self.set_mode(Mode::Refusing).await;
    }

    /// From now on connecting takes for ever, and nothing more is said on open connections.
    pub async fn black_hole(&self) {
        self.set_mode(Mode::BlackHoled).await;
    }

    /// All is well again, on the same ports.
    pub async fn recover(&self) {
        self.set_mode(Mode::Up).await;
    }

    /// Every token given out so far is worthless from now on.
    pub fn revoke_tokens(&self) {
        self.shared.tokens.revoke_all();
    }
}

impl Shared {
    fn url(&self) -> String {
        match &self.settings.tls {
            Some(_) => format!("https://localhost:{}", self.registry.port()),
            None => format!("http://{}", self.registry),
        }
    }

    fn cdn_url(&self) -> String {
        match &self.settings.tls {
            Some(_) => format!("https://localhost:{}", self.cdn.port()),
            None => format!("http://{}", self.cdn),
        }
    }
}
