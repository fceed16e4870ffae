//! Getting one token from a token server.
//!
//! Promises: a page of a captive portal, or a redirect to one, is not taken for a token; what the server says
//! about wall time is not believed. Must not know: when a token is needed, nor who may be told a password.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri, header::AUTHORIZATION};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use super::token::{Scope, Token};
use crate::upstream::{
    answer,
    failure::{Failure, Kind},
    operation::Operation,
    redirect::is_redirect,
    transport::Transport,
};

/// The largest answer of a token server, in bytes. Tokens of cloud registries are some kilobytes.
const LARGEST: usize = 256 << 10;

/// What may stand in a query as it is (RFC 3986), with what scopes are made of.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'/')
    .remove(b',');

/// The two names a token goes by, and its life in seconds. `issued_at` is left out on purpose.
#[derive(Deserialize)]
struct Body {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<serde_json::Value>,
}

pub(super) async fn token(
    transport: &Transport,
    scope: &Scope,
    basic: Option<HeaderValue>,
    deadline: Instant,
) -> Result<Token, Failure> {
    let asked = Instant::now();
    let url = url(scope).ok_or_else(|| Failure::untrustworthy("the token server's address is not a URL"))?;
    let headers = basic.map(|basic| (AUTHORIZATION, basic));
    let head = transport
        .exchange(Operation::Token, Method::GET, &url, headers, deadline)
        .await?;
    let status = head.response.status();
    if is_redirect(status) {
        return Err(Failure::untrustworthy(
            "the token server redirects, as a captive portal does",
        ));
    }
    if status != StatusCode::OK {
        let refusal = answer::refusal(head.response, "the token server", transport.clock.now()).await;
        return Err(match refusal.kind {
            // A token server that is not there says nothing about the content.
            Kind::NotFound => Failure {
                kind: Kind::Broken,
                ..refusal
            },
            _ => refusal,
        });
    }
    let bytes = answer::collect(head.response.into_body(), LARGEST).await?;
    let body: Body = serde_json::from_slice(&bytes)
        .map_err(|_| Failure::untrustworthy("the token server's answer is not JSON"))?;
    let token = body.token.filter(|t| !t.is_empty()).or(body.access_token);
    let token = token.ok_or_else(|| Failure::untrustworthy("the token server's answer has no token"))?;
    let header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| Failure::untrustworthy("the token cannot stand in a header"))?;
    Ok(Token::new(header, asked, body.expires_in.as_ref().and_then(life)))
}

fn url(scope: &Scope) -> Option<Uri> {
    let mut url = scope.realm.split('#').next()?.to_owned();
    let mut separator = if url.contains('?') { '&' } else { '?' };
    let service = scope.service.as_deref().map(|service| ("service", service));
    for (name, value) in service.into_iter().chain([("scope", scope.scope.as_str())]) {
        url.push(separator);
        url.push_str(name);
        url.push('=');
        url.extend(utf8_percent_encode(value, QUERY));
        separator = '&';
    }
    url.parse().ok()
}

/// Servers write it as a number, as a fraction, or as a text.
fn life(value: &serde_json::Value) -> Option<Duration> {
    let seconds = match value {
        serde_json::Value::String(text) => text.trim().parse().ok()?,
        value => value.as_f64()?,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_added_to_the_realms_own() {
        let scope = |realm: &str| Scope {
            realm: realm.to_owned(),
            service: Some("a b&c".to_owned()),
            scope: "repository:x/y:pull,push".to_owned(),
        };
        for (realm, expected) in [
            (
                "https://r/token",
                "https://r/token?service=a%20b%26c&scope=repository:x/y:pull,push",
            ),
            (
                "https://r/token?v=1#f",
                "https://r/token?v=1&service=a%20b%26c&scope=repository:x/y:pull,push",
            ),
        ] {
            assert_eq!(
                url(&scope(realm)).map(|u| u.to_string()).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn a_life_is_any_kind_of_number() {
        let read = |text| life(&serde_json::from_str(text).expect(text));
        assert_eq!(read("300"), Some(Duration::from_secs(300)));
        assert_eq!(read("300.5"), Some(Duration::from_millis(300_500)));
        assert_eq!(read("\"300\""), Some(Duration::from_secs(300)));
        for nonsense in ["-1", "null", "\"soon\"", "1e300", "{}"] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
