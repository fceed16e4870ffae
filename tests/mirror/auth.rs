//! Tokens and redirects: who is told what.

use std::net::Ipv4Addr;

use tests::{
    stage::{REPOSITORY, Stage, TAG},
    upstream::{Auth, Fault, Kind, Settings},
};

const OTHER_HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn with_password(config: tests::larder::Config) -> tests::larder::Config {
    config
        .upstream_key("username", "\"user\"")
        .upstream_key("password", "\"secret\"")
}

#[tokio::test]
async fn anonymous_tokens_are_asked_for_once_for_a_repository() {
    let stage = Stage::with(Settings::default().auth(Auth::anonymous()), |c| c).await;
    let image = stage.image(1, 300_000);
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "{}",
        stage.upstream.log().story()
    );
    assert_eq!(
        stage.upstream.log().count(Kind::Token),
        1,
        "{}",
        stage.upstream.log().story()
    );
    let scope = stage.upstream.log().of(Kind::Token)[0].request.parameter("scope");
    assert_eq!(scope.as_deref(), Some("repository:team/app:pull"));
}

#[tokio::test]
async fn passwords_go_to_the_token_endpoint_and_nowhere_else() {
    let stage = Stage::with(
        Settings::default()
            .auth(Auth::basic("user", "secret"))
            .redirects(),
        with_password,
    )
    .await;
    let image = stage.image(1, 300_000);
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "{}",
        stage.upstream.log().story()
    );
    for record in stage.upstream.log().all() {
        let authorization = record.request.headers.text("authorization");
        match record.kind {
            Kind::Token => assert!(authorization.starts_with("Basic "), "{authorization}"),
            Kind::Cdn => assert_eq!(authorization, "", "a CDN gets no credentials"),
            _ => assert!(!authorization.starts_with("Basic "), "{}", record.request.path),
        }
    }
    assert!(
        stage.upstream.log().count(Kind::Cdn) >= 1,
        "blobs came by redirects"
    );
}

#[tokio::test]
async fn a_wrong_password_is_a_reason_and_not_a_loop() {
    let stage = Stage::with(
        Settings::default().auth(Auth::basic("user", "other")),
        with_password,
    )
    .await;
    stage.image(1, 1000);
    let answer = stage.manifest(TAG).await;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert!(!answer.headers.text("x-larder-reason").is_empty());
    assert!(
        stage.upstream.log().all().len() <= 8,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn a_foreign_realm_gets_no_password() {
    let foreign = Settings::default().host(OTHER_HOST).start().await;
    let auth = Auth::basic("user", "secret").realm(foreign.address());
    let stage = Stage::with(Settings::default().auth(auth), with_password).await;
    stage.image(1, 1000);
    assert_eq!(stage.manifest(TAG).await.status, 404);
    for record in foreign.log().all() {
        assert_eq!(
            record.request.headers.get("authorization"),
            None,
            "{}",
            record.request.path
        );
    }
}

#[tokio::test]
async fn a_revoked_token_is_replaced() {
    let stage = Stage::with(Settings::default().auth(Auth::anonymous()), |c| c).await;
    let first = stage.blob(1, 100_000);
    let second = stage.blob(2, 100_000);
    stage.expect_blob(&first).await;
    stage.upstream.revoke_tokens();
    stage.expect_blob(&second).await;
    assert_eq!(
        stage.upstream.log().count(Kind::Token),
        2,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn a_token_that_says_it_ran_out_in_1970_is_used() {
    let stage = Stage::with(Settings::default().auth(Auth::anonymous()), |c| c).await;
    let image = stage.image(1, 300_000);
    stage.upstream.script().always(Kind::Token, Fault::StaleToken);
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "{}",
        stage.upstream.log().story()
    );
    // Once an answer at most: no loop, whatever the clocks say.
    assert!(
        stage.upstream.log().count(Kind::Token) <= 6,
        "{}",
        stage.upstream.log().story()
    );
}

#[tokio::test]
async fn authorization_is_not_carried_to_another_host() {
    let elsewhere = Settings::default().host(OTHER_HOST).start().await;
    let stage = Stage::with(Settings::default().auth(Auth::anonymous()), |c| c).await;
    let blob = stage.blob(1, 100_000);
    elsewhere.content().push_blob(REPOSITORY, &blob);
    let url = format!("{}/v2/{REPOSITORY}/blobs/{}", elsewhere.url(), blob.digest);
    stage
        .upstream
        .script()
        .always(Kind::GetBlob, Fault::RedirectTo(url));
    stage.expect_blob(&blob).await;
    let record = &elsewhere.log().all()[0];
    assert_eq!(record.request.headers.get("authorization"), None);
}

#[tokio::test]
async fn an_https_upstream_with_its_own_authority() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ca = folder.path().join("ca.pem");
    let upstream = Settings::default()
        .tls()
        .auth(Auth::anonymous())
        .redirects()
        .start()
        .await;
    std::fs::write(&ca, upstream.ca_pem()).expect("a temporary file");
    let ca = format!("{:?}", ca.display().to_string());
    let config = tests::stage::quick(&[upstream.url()]).upstream_key("ca_file", &ca);
    let stage = Stage {
        upstream,
        larder: tests::larder::Larder::start(config).await,
    };
    let image = stage.image(1, 300_000);
    assert_eq!(
        stage.pull().await.as_deref(),
        Ok(image.digest()),
        "{}",
        stage.upstream.log().story()
    );

    let stranger = Settings::default().tls().start().await;
    let config = tests::stage::quick(&[stranger.url()]).upstream_key("ca_file", &ca);
    let stage = Stage {
        upstream: stranger,
        larder: tests::larder::Larder::start(config).await,
    };
    stage.image(1, 1000);
    assert_eq!(
        stage.manifest(TAG).await.status,
        404,
        "a certificate of a stranger is not believed"
    );
    assert_eq!(stage.upstream.log().all().len(), 0, "and gets no request");
}
