//! Registries that fail, each in its way.

use super::{server::*, *};
use crate::source::Health;

#[tokio::test]
async fn wrong_parts_of_a_blob_are_untrustworthy() {
    let part = |range: &'static str| {
        status(206)
            .body(&BLOB[10..])
            .header("content-length", "6")
            .header("content-range", range)
    };
    for reply in [
        status(206)
            .body(&BLOB[9..])
            .header("content-range", "bytes 9-15/16"),
        part("bytes 10-14/16"),
        part("bytes 10-16/16"),
        part("bytes 10-15/99"),
        part("bytes 18446744073709551615-18446744073709551615/*"),
        part("nonsense"),
        status(206).body(&BLOB[10..]).header("content-length", "6"),
        status(416),
        ok(BLOB).header("content-encoding", "gzip"),
        ok(b"<html>").header("content-type", "text/html; charset=utf-8"),
    ] {
        let shown = format!("{reply:?}");
        let server = Server::start(move |_| reply.clone()).await;
        assert_eq!(
            fault(blob(&endpoint(&server), 10).await),
            Fault::Untrustworthy,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_untrustworthy() {
    let wrong = digest(b"something else").to_string();
    for reply in [
        ok(b"<html>").header("content-type", "text/html"),
        ok(b"<html>"),
        ok(b"{}").header("content-type", "application/json"),
        ok(b"[1]").header("content-type", MediaType::OCI_INDEX),
        ok(MANIFEST).header("docker-content-digest", &wrong),
        status(200)
            .body(b"{")
            .header("content-length", "99999999999")
            .then(Then::Stall),
    ] {
        let shown = format!("{reply:?}");
        let server = Server::start(move |_| reply.clone()).await;
        let result = endpoint(&server).manifest(&repository(), &tag(), soon()).await;
        assert_eq!(fault(result), Fault::Untrustworthy, "{shown}");
    }
    let server = Server::start(|_| ok(br#"{"manifests":[]}"#)).await;
    let result = endpoint(&server)
        .manifest(&repository(), &by_digest(), soon())
        .await;
    assert_eq!(
        fault(result),
        Fault::Untrustworthy,
        "not the document that was asked for"
    );
    let server = Server::start(move |_| {
        ok(MANIFEST)
            .header("docker-content-digest", &wrong)
            .header("content-type", MediaType::OCI_INDEX)
    })
    .await;
    let result = endpoint(&server)
        .resolve(&repository(), &by_digest(), soon())
        .await;
    assert_eq!(
        fault(result),
        Fault::Untrustworthy,
        "not the digest that was asked for"
    );
}

#[tokio::test]
async fn a_cut_blob_ends_in_an_error_and_never_looks_complete() {
    for reply in [
        status(200)
            .body(&BLOB[..7])
            .header("content-length", "16")
            .then(Then::Break),
        status(200).body(&BLOB[..7]).then(Then::Break),
    ] {
        let server = Server::start(move |_| reply.clone()).await;
        let stream = blob(&endpoint(&server), 0).await.expect("begun");
        let (bytes, error) = drain(stream).await;
        assert_eq!(bytes, &BLOB[..7]);
        assert_eq!(error.map(|e| e.fault), Some(Fault::Unavailable));
    }
}

#[tokio::test]
async fn a_stalled_or_trickling_blob_hits_the_progress_deadline_and_opens_the_breaker() {
    for then in [Then::Stall, Then::Trickle] {
        let server = Server::start(move |_| {
            status(200)
                .body(&BLOB[..7])
                .header("content-length", "1000000")
                .then(then)
        })
        .await;
        let endpoint = endpoint(&server);
        let stream = blob(&endpoint, 0).await.expect("begun");
        let started = Instant::now();
        let (bytes, error) = drain(stream).await;
        assert!(bytes.starts_with(&BLOB[..7]));
        assert_eq!(error.map(|e| e.fault), Some(Fault::Silent), "{then:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(matches!(endpoint.health(), Health::Open { .. }), "{then:?}");
    }
}

#[tokio::test]
async fn a_blob_that_stalls_while_others_are_answered_is_that_blobs_fault() {
    let server = Server::start(|seen| match seen.path.contains("/manifests/") {
        true => ok(MANIFEST).header("content-type", MediaType::OCI_INDEX),
        false => status(200)
            .body(&BLOB[..7])
            .header("content-length", "1000000")
            .then(Then::Stall),
    })
    .await;
    let endpoint = endpoint(&server);
    let stream = blob(&endpoint, 0).await.expect("begun");
    let others = async {
        loop {
            let answer = endpoint.manifest(&repository(), &by_digest(), soon()).await;
            answer.expect("it is there");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let (_, error) = tokio::select! {
        drained = drain(stream) => drained,
        () = others => unreachable!("it goes on"),
    };
    assert_eq!(error.map(|e| e.fault), Some(Fault::Silent));
    assert!(
        matches!(endpoint.health(), Health::Closed { .. }),
        "{:?}",
        endpoint.health()
    );
}

#[tokio::test]
async fn a_limit_rests_what_was_limited_and_nothing_else() {
    let date = |after: i64| {
        let at = jiff::Timestamp::now().as_second() + after;
        let at = jiff::Timestamp::from_second(at)
            .expect("a time")
            .to_zoned(jiff::tz::TimeZone::UTC);
        jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S GMT", &at).expect("a date")
    };
    for (value, wait) in [("17".to_owned(), 17), (date(40), 40)] {
        let server = Server::start(move |seen| match seen.method {
            http::Method::GET if seen.path.contains("/manifests/") => {
                status(429).header("retry-after", &value)
            }
            _ => ok(BLOB)
                .header("content-type", MediaType::OCI_INDEX)
                .header("docker-content-digest", &digest(BLOB).to_string()),
        })
        .await;
        let endpoint = endpoint(&server);
        for _ in 0..2 {
            let Fault::Limited {
                retry_after: Some(said),
            } = fault(endpoint.manifest(&repository(), &tag(), soon()).await)
            else {
                panic!("not limited");
            };
            assert!((wait - 3..=wait).contains(&said.as_secs()), "{said:?}");
        }
        assert_eq!(server.lines().len(), 1, "the second was not sent");
        endpoint
            .resolve(&repository(), &tag(), soon())
            .await
            .expect("looking up goes on");
        blob(&endpoint, 0).await.expect("blobs go on");
        assert_eq!(endpoint.status().faults, [("rate-limited", 1)]);
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_afterwards_costs_nothing() {
    let server = Server::start(|_| Reply::Silence).await;
    let endpoint = only(
        &client(Options {
            rest: Duration::from_secs(60),
            ..options()
        }),
        &settings(&server.url()),
    );
    let deadline = Instant::now() + Duration::from_millis(400);
    let result = endpoint.resolve(&repository(), &tag(), deadline).await;
    assert_eq!(fault(result), Fault::Silent);
    assert!(Instant::now() < deadline + Duration::from_millis(300));
    let again = endpoint.resolve(&repository(), &tag(), soon()).await;
    assert!(matches!(fault(again), Fault::Resting { .. }));
    assert_eq!(server.lines().len(), 1, "the second was not sent");
    let status = endpoint.status();
    assert_eq!(status.faults, [("silent", 1)]);
    assert_eq!(status.last_error.map(|e| e.fault), Some("silent"));
}

#[tokio::test]
async fn an_address_that_takes_no_connection_is_silent_too() {
    // A full backlog: the kernel drops what comes after.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket
        .bind("127.0.0.1:0".parse().expect("valid"))
        .expect("a port");
    let listener = socket.listen(1).expect("a backlog");
    let address = listener.local_addr().expect("an address");
    let mut taken = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(
        Duration::from_millis(200),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        taken.push(stream);
    }
    let endpoint = only(
        &client(Options {
            connect_timeout: Duration::from_millis(300),
            ..options()
        }),
        &settings(&format!("http://{address}")),
    );
    assert_eq!(fault(blob(&endpoint, 0).await), Fault::Silent);
    assert!(matches!(endpoint.health(), Health::Open { .. }));
}

#[tokio::test]
async fn refused_connections_and_missing_names_open_it_at_the_second_time() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    };
    for url in [format!("http://{gone}"), "http://nowhere.invalid".to_owned()] {
        let endpoint = only(&client(options()), &settings(&url));
        for _ in 0..2 {
            assert_eq!(fault(blob(&endpoint, 0).await), Fault::Unavailable, "{url}");
        }
        assert!(
            matches!(fault(blob(&endpoint, 0).await), Fault::Resting { .. }),
            "{url}"
        );
    }
}

#[tokio::test]
async fn five_hundreds_open_it_at_the_third_time_and_a_rest_asked_for_is_given() {
    let server = Server::start(|_| status(502)).await;
    let broken = endpoint(&server);
    for _ in 0..3 {
        assert_eq!(fault(blob(&broken, 0).await), Fault::Unavailable);
    }
    assert!(matches!(fault(blob(&broken, 0).await), Fault::Resting { .. }));

    let server = Server::start(|_| status(503).header("retry-after", "120")).await;
    let busy = endpoint(&server);
    assert_eq!(fault(blob(&busy, 0).await), Fault::Unavailable);
    let Fault::Resting { retry_in } = fault(blob(&busy, 0).await) else {
        panic!("not resting")
    };
    assert!(retry_in > Duration::from_secs(110), "{retry_in:?}");
}

#[tokio::test]
async fn it_comes_back_by_one_probe_and_a_dropped_probe_is_given_back() {
    let broken = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let flag = broken.clone();
    let server = Server::start(move |seen| {
        if flag.load(std::sync::atomic::Ordering::Relaxed) {
            return status(500);
        }
        if seen.method == http::Method::HEAD {
            Reply::Silence
        } else {
            ok(BLOB)
        }
    })
    .await;
    let endpoint = only(
        &client(Options {
            rest: Duration::from_millis(50),
            ..options()
        }),
        &settings(&server.url()),
    );
    for _ in 0..3 {
        fault(blob(&endpoint, 0).await);
    }
    broken.store(false, std::sync::atomic::Ordering::Relaxed);
    let Health::Open { retry_in } = endpoint.health() else {
        panic!("not open")
    };
    tokio::time::sleep(retry_in).await;
    assert_eq!(endpoint.health(), Health::HalfOpen);
    {
        let (repository, tag) = (repository(), tag());
        let mut probe = endpoint.resolve(&repository, &tag, soon());
        assert!((&mut probe).now_or_never().is_none(), "on its way");
        assert!(
            matches!(fault(blob(&endpoint, 0).await), Fault::Resting { .. }),
            "one at a time"
        );
    }
    blob(&endpoint, 0).await.expect("the next probe");
    assert!(matches!(endpoint.health(), Health::Closed { .. }));
}

#[tokio::test]
async fn a_dead_cdn_counts_against_the_endpoint() {
    let cdn = Server::start(|_| Reply::Silence).await;
    let url = cdn.url();
    let registry = Server::start(move |_| status(307).header("location", &url)).await;
    let endpoint = endpoint(&registry);
    let deadline = Instant::now() + Duration::from_millis(400);
    let result = endpoint.blob(&repository(), &digest(BLOB), 0, deadline).await;
    assert_eq!(fault(result), Fault::Silent);
    assert!(matches!(endpoint.health(), Health::Open { .. }));
}

#[tokio::test]
async fn an_error_says_what_was_done_to_what_and_why() {
    let server =
        Server::start(|_| status(403).body(br#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#)).await;
    let error = blob(&endpoint(&server), 0).await.expect_err("denied");
    assert_eq!(
        crate::source::chain(&error),
        format!(
            "fetch the blob library/alpine@{} at {}: the registry answered 403 Forbidden (DENIED: not yours)",
            digest(BLOB),
            server.url()
        )
    );
}
