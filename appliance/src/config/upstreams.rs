//! `[[upstream]]`: the registries that are mirrored.

use std::{path::PathBuf, time::Duration};

use super::{
    Endpoint, Pattern, Secret, Span,
    files::{readable, secret},
    reader::Section,
};
use crate::oci::{RepositoryPath, UpstreamName};

/// A registry, and what may be pulled from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamConfig {
    pub name: UpstreamName,
    /// In order of preference; at least one.
    pub endpoints: Vec<Endpoint>,
    pub credentials: Option<Credentials>,
    /// A PEM file of authorities that are trusted for this upstream besides the usual ones.
    pub ca_file: Option<PathBuf>,
    /// How long a tag is served without asking; zero asks every time.
    pub tag_ttl: Duration,
    pub allow: Vec<Pattern>,
    pub deny: Vec<Pattern>,
}

/// A user's name and password at an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

impl UpstreamConfig {
    /// Whether a repository may be pulled: some pattern allows it and none denies it.
    pub fn admits(&self, repository: &RepositoryPath) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|p| p.matches(repository.as_str()));
        any(&self.allow) && !any(&self.deny)
    }
}

pub(super) fn read(s: &Section<'_>) -> Option<UpstreamConfig> {
    let name = s.read::<UpstreamName>("name");
    let endpoints = s.read::<Vec<Endpoint>>("endpoints");
    let username = s.read::<Option<String>>("username");
    let password = secret(s, "password", "password_file");
    let ca_file = readable(s, "ca_file");
    let tag_ttl = s.read::<Span>("tag_ttl");
    let allow = s.read::<Vec<Pattern>>("allow");
    let deny = s.read::<Vec<Pattern>>("deny");

    let endpoints = endpoints.and_then(|endpoints| usable(s, endpoints));
    let credentials = match (username?, password?) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => Some(Some(Credentials { username, password })),
        (Some(_), None) => {
            s.refuse(
                "username",
                "there is no password for it",
                None,
                "set `password_file` or `password` too",
            );
            None
        }
        (None, Some(_)) => {
            s.refuse(
                "username",
                "it is empty and there is a password",
                None,
                "set it too",
            );
            None
        }
    };
    Some(UpstreamConfig {
        name: name?,
        endpoints: endpoints?,
        credentials: credentials?,
        ca_file: ca_file?,
        tag_ttl: tag_ttl?.duration(),
        allow: allow?,
        deny: deny?,
    })
}

fn usable(s: &Section<'_>, endpoints: Vec<Endpoint>) -> Option<Vec<Endpoint>> {
    if endpoints.is_empty() {
        s.refuse(
            "endpoints",
            "the list is empty",
            Some("at least one URL as \"https://ghcr.io\"".into()),
            "add one; to refuse everything from an upstream, set allow = []",
        );
        return None;
    }
    let twice = endpoints
        .iter()
        .enumerate()
        .find(|(index, endpoint)| endpoints[..*index].contains(endpoint));
    if let Some((_, endpoint)) = twice {
        s.refuse(
            "endpoints",
            &format!("`{endpoint}` is there twice"),
            None,
            "leave one of them out",
        );
        return None;
    }
    Some(endpoints)
}
