//! From the configuration to the rooms' own settings. Only here and in `upstreams` do the two know of each
//! other.

use std::sync::Arc;

use super::ServeError;
use crate::{
    cache::{Disk, Options as CacheOptions},
    clock::Clock,
    config::{Config, Limit, Size},
    memory::Budget,
    tls::{Subject, TlsError},
    upstream::{Client, Options, ProxySettings},
};

pub(super) fn cache_options(config: &Config, disk: Disk) -> CacheOptions {
    CacheOptions {
        dir: config.data_dir.clone(),
        inline_below: config.cache.inline_below.bytes(),
        max_bytes: fixed(config.cache.max_bytes).map(Size::bytes),
        max_inodes: fixed(config.cache.max_inodes),
        stop: config.cache.stop.get(),
        high: config.cache.high.get(),
        policy: config.cache.policy,
        disk,
    }
}

fn fixed<T>(limit: Limit<T>) -> Option<T> {
    match limit {
        Limit::Auto => None,
        Limit::At(value) => Some(value),
    }
}

pub(super) fn proxy() -> Result<ProxySettings, ServeError> {
    ProxySettings::from_env(|name| std::env::var(name).ok()).map_err(ServeError::Proxy)
}

pub(super) fn client(config: &Config, clock: &Clock, budget: &Budget) -> Result<Client, ServeError> {
    let options = Options {
        connect_timeout: config.fetch.connect_timeout,
        progress_timeout: config.fetch.progress_timeout,
        proxy: proxy()?,
        room: budget.small().clone(),
        ..Options::default()
    };
    Client::new(options, clock.clone()).map_err(ServeError::Upstream)
}

pub(super) fn certificate(config: &Config) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    crate::tls::server_config(
        config.listen.certificate.as_ref(),
        &config.data_dir,
        &Subject::this_box(),
    )
}
