//! What connecting has shown of names and families.

use super::*;
use crate::upstream::{Lately, Ways};

/// No name server answers.
struct Mute;

impl Resolve for Mute {
    fn resolve<'a>(&'a self, _host: &'a str, _first: Family) -> BoxFuture<'a, Result<Found, ResolveError>> {
        async { Err(ResolveError::Silent) }.boxed()
    }
}

async fn ways(client: &Client, url: &str) -> Ways {
    let endpoint = only(client, &settings(url));
    let _ = endpoint.resolve(&repository(), &by_digest(), soon()).await;
    client.ways()
}

fn lately(seen: Option<(Lately, Duration)>) -> Option<Lately> {
    seen.map(|(how, _)| how)
}

#[tokio::test]
async fn names_and_families_are_known_by_what_was_done_with_them() {
    let server = Server::start(|_| server::status(200)).await;
    let client = client(options());
    assert_eq!(client.ways(), Ways::default());
    let by_name = server.url().replace("127.0.0.1", "registry.test");
    let seen = ways(&client, &by_name).await;
    assert_eq!(lately(seen.names), Some(Lately::Worked));
    assert_eq!(lately(seen.ipv4), Some(Lately::Worked));
    assert_eq!(seen.ipv6, None, "it was not needed");
    // A server that says that there is no such name is one that answers.
    let seen = ways(&client, "http://none.invalid").await;
    assert_eq!(lately(seen.names), Some(Lately::Worked));
}

#[tokio::test]
async fn name_servers_that_do_not_answer_fail() {
    let client = Client::with_names(options(), Clock::system(), Arc::new(Mute)).expect("a client");
    let seen = ways(&client, "http://registry.test").await;
    assert_eq!(lately(seen.names), Some(Lately::Failed));
    assert_eq!((seen.ipv4, seen.ipv6), (None, None));
}

/// A name with both addresses of this machine, of which the name server tells one later.
struct Both;

impl Resolve for Both {
    fn resolve<'a>(&'a self, _host: &'a str, _first: Family) -> BoxFuture<'a, Result<Found, ResolveError>> {
        let late = async { vec![std::net::Ipv4Addr::LOCALHOST.into()] }.boxed();
        let found = Found {
            addresses: vec![std::net::Ipv6Addr::LOCALHOST.into()],
            late: Some(late),
        };
        async { Ok(found) }.boxed()
    }
}

#[tokio::test]
async fn a_family_through_which_no_certificate_comes_fails_no_call_and_goes_last() {
    let (server, ca) = wire::tls_server().await;
    let port = server.address.port();
    // It takes connections, and says nothing: a tunnel that loses large packets.
    let mute = tokio::net::TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, port)).await;
    let _mute = mute.expect("the port in the other family");
    let impatient = Options {
        connect_timeout: Duration::from_millis(400),
        ..options()
    };
    let client = Client::with_names(impatient, Clock::system(), Arc::new(Both)).expect("a client");
    let url = format!("https://{}:{port}", wire::HOST);
    let endpoint = only(&client, &wire::trusting(&url, Some(ca)));
    let stream = blob(&endpoint, 0).await.expect("over the other family");
    assert_eq!(drain(stream).await.0, BLOB);
    let seen = client.ways();
    assert_eq!(
        (lately(seen.ipv4), lately(seen.ipv6)),
        (Some(Lately::Worked), Some(Lately::Failed))
    );
    let status = endpoint.status();
    assert_eq!(status.ipv4, FamilyHealth::Working);
    assert!(
        matches!(status.ipv6, FamilyHealth::Broken { .. }),
        "{:?}",
        status.ipv6
    );
}
