//! Whom to tell what: from a registry's challenge to the `Authorization` of the next request.
//!
//! Promises: credentials go to the endpoint itself and to token servers of the same party
//! ([`same_party`]), never to anybody else, who gets an anonymous request instead; a token server is spoken to over
//! HTTPS, or over HTTP only when the endpoint itself is. Known tokens are sent ahead of a challenge. Must not
//! know: what is asked for.

mod challenge;
mod fetch;
mod token;

use std::collections::HashMap;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::{
    challenge::{Bearer, Challenge},
    token::{Age, Scope, Tokens},
};
use super::{
    failure::{Failure, Kind},
    settings::Credentials,
    transport::Transport,
};
use crate::dial::{Origin, Scheme, same_party};
use crate::oci::RepositoryPath;

/// Repositories whose way in is remembered.
const REPOSITORIES: usize = 1024;

/// How one endpoint lets us in.
#[derive(Debug)]
pub(super) struct Auth {
    endpoint: Origin,
    /// `Basic …`
    basic: Option<HeaderValue>,
    tokens: Tokens,
    /// By repository.
    ways: Mutex<HashMap<RepositoryPath, Way>>,
}

/// What a repository wanted last time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    Basic,
    Token(Scope),
}

/// An `Authorization`, and what to make of its being refused.
#[derive(Clone, Debug)]
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    way: Way,
    age: Age,
}

impl Auth {
    pub(super) fn new(endpoint: Origin, credentials: Option<&Credentials>) -> Self {
        Self {
            endpoint,
            basic: credentials.and_then(basic),
            tokens: Tokens::default(),
            ways: Mutex::default(),
        }
    }

    /// What to send with the first request for a repository, as far as it is known.
    pub(super) async fn ahead(
        &self,
        transport: &Transport,
        repository: &RepositoryPath,
        deadline: Instant,
    ) -> Result<Option<Authorization>, Failure> {
        let way = self.ways.lock().get(repository).cloned();
        match way {
            Some(way) => self.take(transport, way, deadline).await,
            None => Ok(None),
        }
    }

    /// What to send after a 401. `refused` is what was sent. An error when there is nothing better to send.
    pub(super) async fn after(
        &self,
        transport: &Transport,
        repository: &RepositoryPath,
        headers: &HeaderMap,
        refused: Option<&Authorization>,
        deadline: Instant,
    ) -> Result<Authorization, Failure> {
        let way = self.way(repository, headers)?;
        if let Some(refused) = refused {
            if refused.way == way && refused.age == Age::Fresh {
                return Err(denied("the registry refuses what it asked for"));
            }
            if let Way::Token(scope) = &refused.way {
                self.tokens.drop_refused(scope, &refused.header);
            }
        }
        self.remember(repository, &way);
        self.take(transport, way, deadline)
            .await?
            .ok_or_else(|| denied("the registry wants a name and a password, and there are none for it"))
    }

    async fn take(
        &self,
        transport: &Transport,
        way: Way,
        deadline: Instant,
    ) -> Result<Option<Authorization>, Failure> {
        let (header, age) = match &way {
            Way::Basic => match &self.basic {
                Some(basic) => (basic.clone(), Age::Fresh),
                None => return Ok(None),
            },
            Way::Token(scope) => {
                let basic = self.basic.clone().filter(|_| self.may_know(&scope.realm));
                let fetch = || fetch::token(transport, scope, basic, deadline);
                self.tokens.get(scope, fetch).await?
            }
        };
        Ok(Some(Authorization { header, way, age }))
    }

    /// Chooses among the challenges: a token where it is offered, else a password.
    fn way(&self, repository: &RepositoryPath, headers: &HeaderMap) -> Result<Way, Failure> {
        let challenges = Challenge::all(headers);
        let bearer = challenges.iter().find_map(|challenge| match challenge {
            Challenge::Bearer(bearer) => Some(bearer),
            Challenge::Basic => None,
        });
        match bearer {
            Some(bearer) => self.scope(repository, bearer).map(Way::Token),
            None if challenges.contains(&Challenge::Basic) => Ok(Way::Basic),
            None => Err(denied("the registry refuses without saying what it wants")),
        }
    }

    fn scope(&self, repository: &RepositoryPath, bearer: &Bearer) -> Result<Scope, Failure> {
        let realm = bearer.realm.parse().ok().as_ref().and_then(Origin::of);
        let realm = realm.ok_or_else(|| Failure::untrustworthy("the token server's address is not a URL"))?;
        if realm.scheme == Scheme::Http && self.endpoint.scheme == Scheme::Https {
            return Err(Failure::untrustworthy("the token server's address is not HTTPS"));
        }
        Ok(Scope {
            realm: bearer.realm.clone(),
            service: bearer.service.clone(),
            scope: bearer
                .scope
                .clone()
                .unwrap_or_else(|| format!("repository:{repository}:pull")),
        })
    }

    /// Whether a token server may be told the password.
    fn may_know(&self, realm: &str) -> bool {
        let realm = realm.parse().ok().as_ref().and_then(Origin::of);
        realm.is_some_and(|realm| same_party(&self.endpoint.host, &realm.host))
    }

    fn remember(&self, repository: &RepositoryPath, way: &Way) {
        let mut ways = self.ways.lock();
        if ways.len() >= REPOSITORIES && !ways.contains_key(repository) {
            ways.clear();
        }
        ways.insert(repository.clone(), way.clone());
    }
}

fn basic(credentials: &Credentials) -> Option<HeaderValue> {
    let plain = format!("{}:{}", credentials.username, credentials.password.reveal());
    let mut header = HeaderValue::try_from(format!("Basic {}", BASE64.encode(plain.as_bytes()))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn denied(reason: &str) -> Failure {
    Failure::because(Kind::Denied, reason)
}
