//! A webhook, and with it all that services over HTTP share.

use super::{
    server::{Act, Server, answer, certificate, head, ok},
    *,
};

fn hook(server: &Server, deadline: Duration) -> Box<dyn Receiver> {
    receiver(
        "webhook",
        &format!("url = \"{}/hook/s3cret\"", server.url()),
        deadline,
    )
}

#[tokio::test]
async fn a_message_arrives_whole_and_named() {
    let server = Server::start(vec![ok()]).await;
    let fired = fired();
    send(&*hook(&server, PATIENT), &fired).await.expect("delivered");
    let seen = server.last();
    assert_eq!(seen.line(), "POST /hook/s3cret HTTP/1.1");
    assert_eq!(seen.header("idempotency-key"), Some("larder-attic-12"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let body = seen.json();
    assert_eq!(body["title"], fired.title);
    assert_eq!(
        (&body["severity"], &body["occasion"]),
        (&"critical".into(), &"fired".into())
    );
    assert_eq!(
        (&body["incident"], &body["at"]),
        (&7.into(), &1_800_000_000.into())
    );
}

#[tokio::test]
async fn an_owner_may_have_other_words_and_headers() {
    let server = Server::start(vec![ok()]).await;
    let lines = format!(
        "url = \"{}\"\ntoken = \"s3cret\"\nheaders = [\"X-Room: 7\"]\n\
         template = '{{\"msg\": \"{{{{title}}}}: {{{{text}}}}\", \"n\": {{{{incident}}}}, \"k\": \"{{{{occasion}}}}\"}}'",
        server.url()
    );
    let digest = Message {
        incident: None,
        ..message(Told::Digest, Severity::Warning)
    };
    send(&*receiver("webhook", &lines, PATIENT), &digest)
        .await
        .expect("delivered");
    let seen = server.last();
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(seen.header("x-room"), Some("7"));
    let body = seen.json();
    assert_eq!(body["msg"], format!("{}: {}", digest.title, digest.text));
    assert!(body["n"].is_null() && body["k"] == "digest");
}

#[tokio::test]
async fn each_answer_says_whose_fault_it_is_and_when_to_come_again() {
    let minute = Duration::from_secs(60);
    for (status, headers, body, fault, says) in [
        ("204 No Content", "", "", None, ""),
        (
            "301 Moved",
            "location: https://new.example/hook/s3cret\r\n",
            "",
            Some(Fault::Misconfigured),
            "moved to new.example:443",
        ),
        (
            "400 Bad Request",
            "",
            "no field \"x\" at /hook/s3cret",
            Some(Fault::Misconfigured),
            "no field \"x\" at …",
        ),
        (
            "401 Unauthorized",
            "",
            "",
            Some(Fault::Misconfigured),
            "it answered 401",
        ),
        ("404 Not Found", "", "", Some(Fault::Misconfigured), "404"),
        ("408 Timeout", "", "", Some(Fault::Broken(None)), "408"),
        (
            "429 Slow",
            "retry-after: 60\r\n",
            "",
            Some(Fault::Limited(Some(minute))),
            "429",
        ),
        (
            "429 Slow",
            "",
            "{\"parameters\": {\"retry_after\": 60}}",
            Some(Fault::Limited(Some(minute))),
            "429",
        ),
        (
            "429 Slow",
            "",
            "{\"retry_after\": 60.0}",
            Some(Fault::Limited(Some(minute))),
            "429",
        ),
        (
            "429 Slow",
            "",
            "{\"retry_after_ms\": 60000}",
            Some(Fault::Limited(Some(minute))),
            "429",
        ),
        (
            "429 Slow",
            "",
            "{\"retry_after\": 1e300}",
            Some(Fault::Limited(None)),
            "429",
        ),
        (
            "500 Oops",
            "",
            "<html>\n\noops \u{7}</html>",
            Some(Fault::Broken(None)),
            "500 Internal Server Error: <html> oops </html>",
        ),
        (
            "503 Later",
            "retry-after: 60\r\n",
            "",
            Some(Fault::Broken(Some(minute))),
            "503",
        ),
    ] {
        let server = Server::start(vec![answer(status, headers, body)]).await;
        let outcome = send(&*hook(&server, PATIENT), &fired()).await;
        assert_eq!(
            outcome.as_ref().err().map(|error| error.fault),
            fault,
            "{status}: {outcome:?}"
        );
        if let Err(error) = outcome {
            let told = error.to_string();
            assert!(
                told.contains(says) && told.starts_with("post to 127.0.0.1:"),
                "{told}"
            );
            assert!(!told.contains("s3cret"), "{told}");
        }
    }
    assert_eq!(Fault::Misconfigured.retry(), Retry::Rarely);
    assert_eq!(Fault::Limited(Some(minute)).retry(), Retry::After(minute));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(vec![ok()]).await;
    let moved = answer("307 Moved", &format!("location: {}/\r\n", other.url()), "");
    let server = Server::start(vec![moved]).await;
    send(&*hook(&server, PATIENT), &fired()).await.expect_err("moved");
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn one_who_hangs_is_given_up_by_the_deadline() {
    for act in [
        Act::SayAndHang(String::new()),
        Act::SayAndHang("HTTP/1.1 20".to_owned()),
        Act::SayAndHang(head("500 Oops", "", 5) + "oo"),
    ] {
        let server = Server::start(vec![act.clone(), ok()]).await;
        let hook = hook(&server, SHORT);
        let error = send(&*hook, &fired()).await.expect_err("silence");
        assert_eq!(
            (error.fault, error.fault.retry()),
            (Fault::Silent, Retry::Soon),
            "{act:?}"
        );
        assert!(error.cause.contains("no answer in 400ms"), "{error}");
        send(&*hook, &fired()).await.expect("it has come back");
    }
}

#[tokio::test]
async fn one_who_breaks_off_has_perhaps_not_got_it() {
    for act in [
        Act::SayAndReset(String::new()),
        Act::Say(String::new()),
        Act::Say("HTTP/1.1 200 OK\r\ncontent-le".to_owned()),
        Act::Say("SSH-2.0-nonsense\r\n".to_owned()),
    ] {
        let server = Server::start(vec![act.clone(), ok()]).await;
        let hook = hook(&server, PATIENT);
        let error = send(&*hook, &fired()).await.expect_err("broken");
        assert_eq!(error.fault, Fault::Broken(None), "{act:?}: {error}");
        send(&*hook, &fired()).await.expect("it has come back");
        let keys: Vec<_> = server
            .seen()
            .iter()
            .map(|seen| seen.header("idempotency-key").map(str::to_owned))
            .collect();
        assert_eq!(keys, vec![Some("larder-attic-12".to_owned()); 2], "the same name");
    }
    // An answer whose head says that it was taken was an answer.
    let server = Server::start(vec![Act::SayAndReset(head("200 OK", "", 100) + "half")]).await;
    let outcome = send(&*hook(&server, PATIENT), &fired()).await;
    if let Err(error) = outcome {
        // The reset may overtake what was said.
        assert_eq!(error.fault, Fault::Broken(None), "{error}");
    }
}

#[tokio::test]
async fn nobody_there_is_nobodys_fault_here() {
    let gone = Server::start(vec![ok()]).await.address;
    for url in [format!("http://{gone}/"), "http://host.invalid/".to_owned()] {
        let hook = receiver("webhook", &format!("url = \"{url}\""), PATIENT);
        let error = send(&*hook, &fired()).await.expect_err("nobody");
        assert_eq!(
            (error.fault, error.fault.retry()),
            (Fault::Unreachable, Retry::Soon),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_certificate_is_believed_if_the_owner_says_so() {
    let (pem, tls) = certificate();
    let server = Server::with(vec![ok()], Some(tls)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, pem).expect("a file");
    let url = format!("url = \"https://localhost:{}/\"", server.address.port());
    let error = send(&*receiver("webhook", &url, PATIENT), &fired())
        .await
        .expect_err("unknown");
    assert_eq!(error.fault, Fault::Untrusted, "{error}");
    assert!(error.cause.contains("certificate"), "{error}");
    assert!(server.seen().is_empty());
    let trusting = receiver("webhook", &format!("{url}\nca_file = {path:?}"), PATIENT);
    send(&*trusting, &fired()).await.expect("delivered");
    assert_eq!(server.seen().len(), 1);
    // By another name it is another's.
    let other = format!(
        "url = \"https://other.example:{}/\"\nca_file = {path:?}",
        server.address.port()
    );
    let error = send(&*receiver("webhook", &other, PATIENT), &fired())
        .await
        .expect_err("another");
    assert_eq!(error.fault, Fault::Untrusted, "{error}");
}

#[tokio::test]
async fn certificates_that_are_none_are_told_with_their_owner() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "hello").expect("a file");
    let config = configured("webhook", &format!("url = \"https://x\"\nca_file = {path:?}"));
    let told =
        |error: Option<crate::alert::receiver::Unusable>| crate::source::chain(&error.expect("unusable"));
    let line = line(SHORT);
    let error = told(open(&config, "attic", &line).err());
    assert!(
        error.contains("ca.pem for the receiver \"x\": there is no certificate in it"),
        "{error}"
    );
    std::fs::remove_file(&path).expect("gone");
    let error = told(open(&config, "attic", &line).err());
    assert!(
        error.starts_with("read ") && error.contains("for the receiver \"x\""),
        "{error}"
    );
}
