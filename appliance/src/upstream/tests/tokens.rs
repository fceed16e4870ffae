//! The token dance, and who gets to know the password.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::{server::*, *};

const BASIC: &str = "Basic bGFyZGVyOmh1bnRlcjI=";

/// A registry and its token server in one. The tokens are `t0`, `t1`, …; `good` says which are taken.
async fn registry(realm_host: Option<&'static str>, good: fn(&str) -> bool) -> Server {
    let issued = AtomicU32::new(0);
    Server::start(move |seen| {
        if seen.path.starts_with("/token") {
            let n = issued.fetch_add(1, Relaxed);
            let token =
                format!(r#"{{"access_token":"t{n}","expires_in":300,"issued_at":"1970-01-01T00:00:00Z"}}"#);
            return ok(token.as_bytes());
        }
        match seen.header("authorization") {
            Some(sent) if good(sent) => ok(BLOB),
            _ => {
                let host = seen.header("host").unwrap_or_default();
                let (_, port) = host.split_once(':').unwrap_or_default();
                let host = realm_host.map_or(host.to_owned(), |name| format!("{name}:{port}"));
                status(401).header("content-length", "2").body(b"no").header(
                    "www-authenticate",
                    &format!(r#"Bearer realm="http://{host}/token",service="reg""#),
                )
            }
        }
    })
    .await
}

fn with_password(server: &Server, host: &str) -> Arc<Endpoint> {
    only(
        &client(options()),
        &Settings {
            credentials: credentials(),
            ..settings(&server.url_as(host))
        },
    )
}

fn tokens(server: &Server) -> Vec<Seen> {
    let seen = server.seen();
    seen.into_iter()
        .filter(|s| s.path.starts_with("/token"))
        .collect()
}

#[tokio::test]
async fn a_token_is_got_once_and_sent_ahead_afterwards() {
    let server = registry(None, |sent| sent == "Bearer t0").await;
    let client = client(options());
    let endpoint = only(&client, &settings(&server.url()));
    for _ in 0..3 {
        let stream = blob(&endpoint, 0).await.expect("let in");
        assert_eq!(drain(stream).await.0, BLOB);
    }
    let path = format!("GET /v2/library/alpine/blobs/{}", digest(BLOB));
    let token = "GET /token?service=reg&scope=repository:library/alpine:pull";
    assert_eq!(server.lines(), [&path, token, &path, &path, &path]);
    assert_eq!(client.usage().connections, 1, "the 401 was read to its end");
    assert!(client.usage().requests.contains(&("token", 1)));
}

#[tokio::test]
async fn many_at_once_get_one_token() {
    let server = registry(None, |sent| sent == "Bearer t0").await;
    let endpoint = endpoint(&server);
    let calls = (0..16).map(|_| blob(&endpoint, 0));
    for result in futures_util::future::join_all(calls).await {
        result.expect("let in");
    }
    assert_eq!(tokens(&server).len(), 1);
}

#[tokio::test]
async fn a_token_that_ran_out_is_got_anew() {
    static NOW: AtomicU32 = AtomicU32::new(0);
    let server = registry(None, |sent| sent == format!("Bearer t{}", NOW.load(Relaxed))).await;
    let endpoint = endpoint(&server);
    blob(&endpoint, 0).await.expect("let in");
    NOW.store(1, Relaxed);
    blob(&endpoint, 0).await.expect("let in by the second token");
    assert_eq!(tokens(&server).len(), 2);
}

#[tokio::test]
async fn a_registry_that_refuses_a_fresh_token_is_denied_after_one() {
    let server = registry(None, |_| false).await;
    let endpoint = endpoint(&server);
    assert_eq!(fault(blob(&endpoint, 0).await), Fault::Denied);
    assert_eq!(server.lines().len(), 3);
    assert!(
        matches!(endpoint.health(), crate::source::Health::Closed { .. }),
        "it answered"
    );
}

#[tokio::test]
async fn the_password_goes_to_the_same_party_and_to_nobody_else() {
    for (host, realm, expected) in [
        ("registry-1.docker.example", None, Some(BASIC)),
        (
            "registry-1.docker.example",
            Some("auth.docker.example"),
            Some(BASIC),
        ),
        ("registry-1.docker.example", Some("auth.evil.example"), None),
        ("registry-1.docker.example", Some("evildocker.example"), None),
    ] {
        let server = registry(realm, |sent| sent == "Bearer t0").await;
        let endpoint = with_password(&server, host);
        blob(&endpoint, 0).await.expect("let in");
        assert_eq!(tokens(&server)[0].header("authorization"), expected, "{realm:?}");
    }
}

#[tokio::test]
async fn a_basic_challenge_is_met_with_the_password_and_without_one_is_denied() {
    let server = Server::start(|seen| match seen.header("authorization") {
        Some(BASIC) => ok(BLOB),
        _ => status(401).header("www-authenticate", "Basic realm=\"x\""),
    })
    .await;
    let endpoint = with_password(&server, "127.0.0.1");
    blob(&endpoint, 0).await.expect("let in");
    blob(&endpoint, 0).await.expect("let in");
    assert_eq!(server.lines().len(), 3, "sent ahead the second time");
    assert_eq!(fault(blob(&super::endpoint(&server), 0).await), Fault::Denied);
}

#[tokio::test]
async fn what_is_no_token_is_untrustworthy_and_a_limit_is_a_limit() {
    for (reply, expected) in [
        (
            ok(b"<html>").header("content-type", "text/html"),
            Fault::Untrustworthy,
        ),
        (ok(b"{}"), Fault::Untrustworthy),
        (ok(br#"{"token":"a\nb"}"#), Fault::Untrustworthy),
        (
            status(302).header("location", "http://portal.example/"),
            Fault::Untrustworthy,
        ),
        (status(401), Fault::Denied),
        (status(500), Fault::Unavailable),
        (
            status(429).header("retry-after", "9"),
            Fault::Limited {
                retry_after: Some(Duration::from_secs(9)),
            },
        ),
    ] {
        let server = Server::start(move |seen| {
            if seen.path.starts_with("/token") {
                return reply.clone();
            }
            let host = seen.header("host").unwrap_or_default();
            status(401).header(
                "www-authenticate",
                &format!(r#"Bearer realm="http://{host}/token""#),
            )
        })
        .await;
        assert_eq!(fault(blob(&endpoint(&server), 0).await), expected);
    }
}

#[tokio::test]
async fn a_401_that_makes_no_sense_is_denied_and_no_loop() {
    for challenge in ["", "Negotiate", "Bearer", "Bearer realm=\"\""] {
        let server = Server::start(move |_| status(401).header("www-authenticate", challenge)).await;
        assert_eq!(
            fault(blob(&endpoint(&server), 0).await),
            Fault::Denied,
            "{challenge}"
        );
        assert_eq!(server.lines().len(), 1);
    }
}
