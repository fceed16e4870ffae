//! From the configuration to the rooms' own settings. Only here do the two know of each other.

use std::{collections::HashSet, num::NonZeroU64, sync::Arc};

use super::{ServeError, endpoints::Opened};
use crate::{
    cache::{Cache, Disk, Options as CacheOptions},
    clock::Clock,
    config::{Config, Limit, Scope, Size, UpstreamConfig},
    memory::Pool,
    metrics::Metrics,
    mirror::{Mirror, Names, Pace, Rules, Settings, Upstream, Upstreams},
    oci::{RepositoryPath, UpstreamName},
    source::Source,
    tls::{Subject, TlsError},
    upstream::{
        AddressPolicy, Client, Credentials, Endpoint, EndpointUrl, Options, ProxySettings, Secret,
        Settings as UpstreamSettings,
    },
};

pub(super) fn cache_options(config: &Config) -> CacheOptions {
    CacheOptions {
        dir: config.data_dir.clone(),
        inline_below: config.cache.inline_below.bytes(),
        max_bytes: fixed(config.cache.max_bytes).map(Size::bytes),
        max_inodes: fixed(config.cache.max_inodes),
        stop: config.cache.stop.get(),
        disk: Disk::real(),
    }
}

fn fixed<T>(limit: Limit<T>) -> Option<T> {
    match limit {
        Limit::Auto => None,
        Limit::At(value) => Some(value),
    }
}

pub(super) fn client(config: &Config, clock: &Clock) -> Result<Client, ServeError> {
    let proxy = ProxySettings::from_env(|name| std::env::var(name).ok()).map_err(ServeError::Proxy)?;
    let options = Options {
        connect_timeout: config.fetch.connect_timeout,
        progress_timeout: config.fetch.progress_timeout,
        proxy,
        ..Options::default()
    };
    Client::new(options, clock.clone()).map_err(ServeError::Upstream)
}

/// The upstreams, and their endpoints for those who report on them.
pub(super) fn upstreams(
    config: &Config,
    client: &Client,
    opened: &Opened,
) -> Result<(Upstreams, Vec<Arc<Endpoint>>), ServeError> {
    let mut endpoints = Vec::new();
    let mut configured = Vec::new();
    for upstream in &config.upstreams {
        let made = client
            .endpoints(&settings(upstream)?)
            .map_err(ServeError::Upstream)?;
        endpoints.extend(made.iter().cloned());
        configured.push(Upstream {
            name: upstream.name.clone(),
            sources: made
                .into_iter()
                .map(|endpoint| endpoint as Arc<dyn Source>)
                .collect(),
            tag_ttl: upstream.tag_ttl,
            access: {
                let upstream = upstream.clone();
                Arc::new(move |path: &RepositoryPath| upstream.admits(path))
            },
        });
    }
    let others = (config.scope == Scope::Open).then(|| {
        let (client, opened) = (client.clone(), opened.clone());
        Arc::new(move |name: &UpstreamName| open(&client, name, &opened)) as crate::mirror::OpenUpstreams
    });
    Ok((Upstreams::new(configured, others), endpoints))
}

fn settings(upstream: &UpstreamConfig) -> Result<UpstreamSettings, ServeError> {
    let ca_pem = upstream.ca_file.as_ref().map(|path| {
        std::fs::read(path).map_err(|source| ServeError::File {
            path: path.clone(),
            source,
        })
    });
    // The configuration has checked them by the same rules.
    let endpoints: Result<_, _> = upstream
        .endpoints
        .iter()
        .map(|endpoint| endpoint.as_str().parse())
        .collect();
    let endpoints = endpoints.map_err(ServeError::Endpoint)?;
    Ok(UpstreamSettings {
        name: upstream.name.clone(),
        endpoints,
        credentials: upstream.credentials.as_ref().map(|credentials| Credentials {
            username: credentials.username.clone(),
            password: Secret::new(credentials.password.expose()),
        }),
        ca_pem: ca_pem.transpose()?,
        addresses: AddressPolicy::Any,
    })
}

/// A registry that nobody configured, on an open mirror: public addresses only, no credentials.
fn open(client: &Client, name: &UpstreamName, opened: &Opened) -> Option<Upstream> {
    let settings = UpstreamSettings {
        name: name.clone(),
        endpoints: vec![format!("https://{name}").parse::<EndpointUrl>().ok()?],
        credentials: None,
        ca_pem: None,
        addresses: AddressPolicy::PublicOnly,
    };
    let endpoints = client.endpoints(&settings).ok()?;
    opened.add(&endpoints);
    Some(Upstream {
        name: name.clone(),
        sources: endpoints
            .into_iter()
            .map(|endpoint| endpoint as Arc<dyn Source>)
            .collect(),
        tag_ttl: std::time::Duration::from_secs(300),
        access: Arc::new(|_| true),
    })
}

pub(super) fn mirror(
    config: &Config,
    upstreams: Upstreams,
    cache: Cache,
    pool: Pool,
    clock: Clock,
    metrics: Arc<Metrics>,
) -> Mirror {
    let configured: HashSet<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.name.clone())
        .collect();
    let names = Names::new(configured, config.default_upstream.clone());
    let names = if config.scope == Scope::Open {
        names.open()
    } else {
        names
    };
    let pace = Pace::default();
    let rate = config.fetch.max_wan_rate;
    pace.limit(rate.and_then(|rate| NonZeroU64::new(rate.bytes_per_second())));
    let settings = Settings {
        first_byte: config.fetch.first_byte_timeout,
        inline_below: config.cache.inline_below.bytes(),
        pace,
        ..Settings::default()
    };
    let rules = Rules {
        upstreams,
        names,
        settings,
    };
    Mirror::new(rules, cache, pool, clock, metrics)
}

pub(super) fn certificate(config: &Config) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    crate::tls::server_config(
        config.listen.certificate.as_ref(),
        &config.data_dir,
        &Subject::this_box(),
    )
}
