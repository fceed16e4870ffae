//! The registries of the configuration, as sources for the mirror.
//!
//! Promises: what did not change keeps its endpoints, with their connections and what is known of their
//! health.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use super::{ServeError, endpoints::Opened};
use crate::{
    config::{Config, Scope, UpstreamConfig},
    mirror::{Names, OpenUpstreams, Pace, Rules, Settings, Upstream, Upstreams},
    oci::{RepositoryPath, UpstreamName},
    source::Source,
    upstream::{
        AddressPolicy, Client, Credentials, Endpoint, EndpointUrl, Secret, Settings as UpstreamSettings,
    },
};

/// How long a tag of an upstream that nobody configured is served without asking.
const OPENED_TAG_TTL: Duration = Duration::from_secs(300);

/// A configured upstream's endpoints, and what they were made of.
#[derive(Clone, Debug)]
pub(super) struct Made {
    settings: UpstreamSettings,
    pub(super) endpoints: Vec<Arc<Endpoint>>,
}

/// Makes the configured upstreams' endpoints; those of `before` that would be the same are taken over.
pub(super) fn make(config: &Config, client: &Client, before: &[Made]) -> Result<Vec<Made>, ServeError> {
    config
        .upstreams
        .iter()
        .map(|upstream| one(settings(upstream)?, client, before))
        .collect()
}

fn one(settings: UpstreamSettings, client: &Client, before: &[Made]) -> Result<Made, ServeError> {
    let old = before.iter().find(|made| made.settings.name == settings.name);
    if let Some(old) = old.filter(|old| old.settings == settings) {
        return Ok(old.clone());
    }
    let mut endpoints = client.endpoints(&settings).map_err(ServeError::Upstream)?;
    // With the same credentials and certificates, an endpoint is the same if its URL is.
    let old = old.filter(|old| {
        UpstreamSettings {
            endpoints: settings.endpoints.clone(),
            ..old.settings.clone()
        } == settings
    });
    for endpoint in &mut endpoints {
        let same = |known: &&Arc<Endpoint>| known.name() == endpoint.name();
        if let Some(known) = old.and_then(|old| old.endpoints.iter().find(same)) {
            *endpoint = known.clone();
        }
    }
    Ok(Made { settings, endpoints })
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

/// The mirror's rules. The pace is set here and shared with the rules before.
pub(super) fn rules(config: &Config, made: &[Made], client: &Client, opened: &Opened, pace: &Pace) -> Rules {
    let configured = config
        .upstreams
        .iter()
        .zip(made)
        .map(|(upstream, made)| Upstream {
            name: upstream.name.clone(),
            sources: sources(&made.endpoints),
            tag_ttl: upstream.tag_ttl,
            access: {
                let upstream = upstream.clone();
                Arc::new(move |path: &RepositoryPath| upstream.admits(path))
            },
        });
    let names = config.upstreams.iter().map(|upstream| upstream.name.clone());
    let names = Names::new(names, config.default_upstream.clone());
    let (names, others) = match config.scope {
        Scope::Configured => (names, None),
        Scope::Open => {
            let (client, opened) = (client.clone(), opened.clone());
            let open: OpenUpstreams = Arc::new(move |name: &UpstreamName| open(&client, name, &opened));
            (names.open(), Some(open))
        }
    };
    let rate = config.fetch.max_wan_rate;
    pace.limit(rate.and_then(|rate| NonZeroU64::new(rate.bytes_per_second())));
    Rules {
        upstreams: Upstreams::new(configured, others),
        names,
        settings: Settings {
            first_byte: config.fetch.first_byte_timeout,
            inline_below: config.cache.inline_below.bytes(),
            pace: pace.clone(),
            ..Settings::default()
        },
    }
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
        sources: sources(&endpoints),
        tag_ttl: OPENED_TAG_TTL,
        access: Arc::new(|_| true),
    })
}

fn sources(endpoints: &[Arc<Endpoint>]) -> Arc<[Arc<dyn Source>]> {
    endpoints
        .iter()
        .map(|endpoint| endpoint.clone() as Arc<dyn Source>)
        .collect()
}
