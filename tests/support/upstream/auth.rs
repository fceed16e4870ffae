//! Bearer tokens: the challenge, the token endpoint, and who may pass.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use data_encoding::BASE64;
use serde_json::json;

use super::{Request, Shared, answer::Answer, request::Target};

/// How an upstream guards its content.
#[derive(Clone, Debug, Default)]
pub struct Auth {
    credentials: Option<(String, String)>,
    realm: Option<SocketAddr>,
}

impl Auth {
    /// Tokens for everyone who asks.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// Tokens for those who know the password.
    pub fn basic(user: &str, password: &str) -> Self {
        Self {
            credentials: Some((user.to_owned(), password.to_owned())),
            realm: None,
        }
    }

    /// Sends clients to another host for their tokens.
    pub fn realm(mut self, host: SocketAddr) -> Self {
        self.realm = Some(host);
        self
    }
}

/// Tokens given out, with the repository each is good for.
#[derive(Default)]
pub(super) struct Tokens {
    given: Mutex<(u64, HashMap<String, String>)>,
}

impl Tokens {
    pub(super) fn revoke_all(&self) {
        self.given
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .clear();
    }

    fn give(&self, scopes: &str) -> String {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.0 += 1;
        let token = format!("token-{}", given.0);
        given.1.insert(token.clone(), scopes.to_owned());
        token
    }

    fn allows(&self, token: &str, repository: Option<&str>) -> bool {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(scopes) = given.1.get(token) else {
            return false;
        };
        repository.is_none_or(|r| {
            scopes
                .split(' ')
                .any(|s| s.starts_with(&format!("repository:{r}:")) && s.contains("pull"))
        })
    }
}

/// The refusal that `request` deserves, if any.
pub(super) fn refusal(request: &Request, shared: &Shared) -> Option<Answer> {
    let auth = shared.settings.auth.as_ref()?;
    if matches!(request.target, Target::Token | Target::Cdn { .. }) {
        return None;
    }
    let token = request
        .headers
        .get("authorization")
        .and_then(|v| v.strip_prefix("Bearer "));
    if token.is_some_and(|token| shared.tokens.allows(token, request.repository())) {
        return None;
    }
    Some(challenge(request, shared, auth))
}

/// 401 with a challenge that leads to this upstream's token endpoint.
pub(super) fn challenge(request: &Request, shared: &Shared, auth: &Auth) -> Answer {
    let realm = match auth.realm {
        Some(host) => format!("http://{host}"),
        None => shared.url(),
    };
    let scope = request
        .repository()
        .map(|r| format!(",scope=\"repository:{r}:pull\""))
        .unwrap_or_default();
    Answer::error(401, "UNAUTHORIZED", "authentication required").header(
        "WWW-Authenticate",
        format!("Bearer realm=\"{realm}/token\",service=\"scripted\"{scope}"),
    )
}

/// The answer of the token endpoint.
pub(super) fn token(request: &Request, shared: &Shared) -> Answer {
    let credentials = shared
        .settings
        .auth
        .as_ref()
        .and_then(|auth| auth.credentials.as_ref());
    if let Some((user, password)) = credentials {
        let wanted = format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes()));
        if request.headers.get("authorization") != Some(&wanted) {
            return Answer::error(401, "UNAUTHORIZED", "wrong user or password");
        }
    }
    let scopes: Vec<String> = request.parameters("scope").collect();
    let token = shared.tokens.give(&scopes.join(" "));
    Answer::json(
        200,
        &json!({ "token": token, "access_token": token, "expires_in": 300 }),
    )
}
