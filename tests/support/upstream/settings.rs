//! How a scripted upstream is set up; what does not change while it runs.

use std::{net::IpAddr, sync::Arc};

use super::{Auth, Content, Upstream, tls::Tls};

/// Set up with the methods, then [`Settings::start`].
#[derive(Clone, Default)]
pub struct Settings {
    pub(super) rate: Option<u64>,
    pub(super) rate_per_connection: Option<u64>,
    pub(super) auth: Option<Auth>,
    pub(super) redirects: bool,
    pub(super) no_referrers: bool,
    pub(super) tls: Option<Tls>,
    pub(super) wide: bool,
    pub(super) host: Option<IpAddr>,
    pub(super) closes: bool,
    content: Option<Arc<Content>>,
}

impl Settings {
    /// Bytes a second, for all connections together.
    pub fn rate(mut self, bytes_per_second: u64) -> Self {
        self.rate = Some(bytes_per_second);
        self
    }

    /// Bytes a second for each connection.
    pub fn rate_per_connection(mut self, bytes_per_second: u64) -> Self {
        self.rate_per_connection = Some(bytes_per_second);
        self
    }

    /// Asks for Bearer tokens.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Blobs are served by redirects to a CDN on another port.
    pub fn redirects(mut self) -> Self {
        self.redirects = true;
        self
    }

    /// No referrers API: clients have to read the tag `sha256-…` instead.
    pub fn no_referrers(mut self) -> Self {
        self.no_referrers = true;
        self
    }

    /// HTTPS, with a certificate for `localhost` signed by an authority of its own.
    pub fn tls(mut self) -> Self {
        self.tls = Some(Tls::for_localhost());
        self
    }

    /// Large socket buffers: for measuring rates. Without them, "sent" is at most a few hundred
    /// kilobytes ahead of "received".
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// Listens on this address instead of 127.0.0.1: another host, as far as anyone can tell. `::` is all of both
    /// families.
    pub fn host(mut self, host: impl Into<IpAddr>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Closes each connection after its answer, and says so before.
    pub fn closes(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Serves what another one serves: a second endpoint of the same upstream.
    pub fn content(mut self, content: &Arc<Content>) -> Self {
        self.content = Some(content.clone());
        self
    }

    pub async fn start(mut self) -> Upstream {
        let content = self.content.take().unwrap_or_default();
        Upstream::start_with(self, content).await
    }
}
