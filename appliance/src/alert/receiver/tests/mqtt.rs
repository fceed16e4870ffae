//! MQTT, with Debian's `mosquitto` and with brokers that are none.

mod broker;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::broker::{Broker, Watcher, port};
use super::{
    server::{certificate_files, listen},
    *,
};

const OPEN_TO_ALL: &str = "allow_anonymous true";

fn publisher(port: u16, more: &str, deadline: Duration) -> Box<dyn Receiver> {
    receiver(
        "mqtt",
        &format!("url = \"mqtt://127.0.0.1:{port}\"\n{more}"),
        deadline,
    )
}

#[tokio::test]
async fn a_broker_keeps_what_there_is_and_tells_when_the_box_is_gone() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), port());
    let _broker = Broker::start(folder.path(), port, OPEN_TO_ALL).await;
    let mut watcher = Watcher::start(port).await;
    let mqtt = publisher(port, "", PATIENT);
    let problem = watcher
        .until("homeassistant/binary_sensor/larder_2fattic/problem/config = ")
        .await;
    assert!(
        problem.contains(r#""state_topic":"larder/attic/state""#),
        "{problem}"
    );
    assert_eq!(
        watcher.until("larder/attic/status").await,
        "larder/attic/status = online"
    );
    assert_eq!(
        watcher.until("larder/attic/state").await,
        r#"larder/attic/state = {"open":0,"severity":null}"#
    );
    send(&*mqtt, &fired()).await.expect("delivered");
    let incident = watcher.until("larder/attic/incident/7 = {").await;
    assert!(incident.contains(r#""key":"larder-attic-12""#), "{incident}");
    watcher.until("larder/attic/message = {").await;
    let bad = r#"larder/attic/state = {"open":1,"severity":"critical"}"#;
    assert_eq!(watcher.until("larder/attic/state").await, bad);

    // The box restarts; what the broker has kept is what it knows.
    drop(mqtt);
    assert_eq!(
        watcher.until("larder/attic/status").await,
        "larder/attic/status = offline"
    );
    let mqtt = publisher(port, "", PATIENT);
    assert_eq!(
        watcher.until("larder/attic/status").await,
        "larder/attic/status = online"
    );
    assert_eq!(watcher.until("larder/attic/state").await, bad);
    send(&*mqtt, &message(Told::Resolved, Severity::Critical))
        .await
        .expect("delivered");
    assert_eq!(
        watcher.until("larder/attic/incident/7").await,
        "larder/attic/incident/7 = "
    );
    assert_eq!(
        watcher.until("larder/attic/state").await,
        r#"larder/attic/state = {"open":0,"severity":null}"#
    );
    // One who comes late is told by the broker.
    let mut late = Watcher::start(port).await;
    late.until("larder/attic/status = online").await;
}

#[tokio::test]
async fn topics_are_the_owners() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), port());
    let _broker = Broker::start(folder.path(), port, OPEN_TO_ALL).await;
    let mut watcher = Watcher::start(port).await;
    let mqtt = publisher(port, "topic = \"home/box\"\ndiscovery = \"\"", PATIENT);
    let test = Message {
        incident: None,
        ..message(Told::Test, Severity::Info)
    };
    send(&*mqtt, &test).await.expect("delivered");
    assert_eq!(
        watcher.until("h").await,
        "home/box/status = online",
        "no discovery before"
    );
    assert!(watcher.until("home/box/message").await.contains("\"test\""));
    assert_eq!(mqtt.gathers(), crate::alert::receiver::Gathers::Incidents);
}

#[tokio::test]
async fn what_a_broker_does_not_show_is_known_as_far_as_it_was_said() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), port());
    let rights = folder.path().join("rights");
    std::fs::write(&rights, "topic read #\nuser larder\ntopic write #\n").expect("a file");
    let guarded = format!("{OPEN_TO_ALL}\nacl_file {}", rights.display());
    let _broker = Broker::start(folder.path(), port, &guarded).await;
    let mut watcher = Watcher::start(port).await;
    let mqtt = publisher(port, "username = \"larder\"\npassword = \"\\u0020\"", PATIENT);
    send(&*mqtt, &fired()).await.expect("delivered");
    watcher
        .until(r#"larder/attic/state = {"open":1,"severity":"critical"}"#)
        .await;
    send(&*mqtt, &message(Told::Resolved, Severity::Critical))
        .await
        .expect("delivered");
    watcher.until(r#"larder/attic/state = {"open":0"#).await;
}

#[tokio::test]
async fn a_broker_may_refuse_and_go_away_and_come_back() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), port());
    let guarded = Broker::passwords(folder.path(), "larder", "s3cret").await;
    let wrong = publisher(port, "username = \"larder\"\npassword = \"wrong\"", PATIENT);
    let right = publisher(
        port,
        "topic = \"t\"\nusername = \"larder\"\npassword = \"s3cret\"",
        PATIENT,
    );
    let error = send(&*right, &fired()).await.expect_err("not there yet");
    assert_eq!(error.fault, Fault::Unreachable, "{error}");

    let broker = Broker::start(folder.path(), port, &guarded).await;
    send(&*right, &fired()).await.expect("delivered");
    let error = send(&*wrong, &fired()).await.expect_err("refused");
    assert_eq!(
        (error.fault, error.fault.retry()),
        (Fault::Misconfigured, Retry::Rarely),
        "{error}"
    );

    broker.end().await;
    let error = send(&*right, &fired()).await.expect_err("gone");
    assert!(
        matches!(error.fault, Fault::Unreachable | Fault::Broken(None)),
        "{error}"
    );
    let _broker = Broker::start(folder.path(), port, &guarded).await;
    // What was under way may still have met the old one.
    for _ in 0..3 {
        if send(&*right, &fired()).await.is_ok() {
            return;
        }
    }
    panic!("it does not come back");
}

#[tokio::test]
async fn a_broker_is_believed_if_the_owner_says_so() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), port());
    let (certificate, key) = certificate_files(folder.path());
    let tls = format!(
        "{OPEN_TO_ALL}\ncertfile {}\nkeyfile {}",
        certificate.display(),
        key.display()
    );
    let _broker = Broker::start(folder.path(), port, &tls).await;
    let url = format!("url = \"mqtts://localhost:{port}\"");
    let trusting = receiver("mqtt", &format!("{url}\nca_file = {certificate:?}"), PATIENT);
    send(&*trusting, &fired()).await.expect("delivered");
    let wary = receiver("mqtt", &url, PATIENT);
    let error = send(&*wary, &fired()).await.expect_err("unknown");
    assert_eq!(error.fault, Fault::Untrusted, "{error}");
}

#[tokio::test]
async fn one_who_hangs_or_breaks_off_has_perhaps_not_got_it() {
    let (address, connections, _tasks) = listen().await;
    let mute = publisher(address.port(), "", SHORT);
    let error = send(&*mute, &fired()).await.expect_err("silence");
    assert_eq!(error.fault, Fault::Silent, "{error}");
    drop((mute, connections));

    for says in [
        &b""[..],
        b"\x20\x02\x00",
        b"\x20\x02\x00\x00",
        b"HTTP/1.1 400 Bad Request\r\n",
    ] {
        let (address, mut connections, _tasks) = listen().await;
        let mqtt = publisher(address.port(), "", PATIENT);
        let fired = fired();
        let (error, ()) = tokio::join!(send(&*mqtt, &fired), async {
            let mut stream = connections.recv().await.expect("a connection");
            let mut taken = [0; 1];
            let _ = stream.read(&mut taken).await;
            let _ = stream.write_all(says).await;
        });
        let error = error.expect_err("broken");
        assert_eq!(error.fault, Fault::Broken(None), "{says:?}: {error}");
    }
    // It listens, and acknowledges nothing.
    let (address, mut connections, _tasks) = listen().await;
    let deaf = publisher(address.port(), "", SHORT);
    let fired = fired();
    let (error, _stream) = tokio::join!(send(&*deaf, &fired), async {
        let mut stream = connections.recv().await.expect("a connection");
        let _ = stream.write_all(b"\x20\x02\x00\x00").await;
        stream
    });
    assert_eq!(error.expect_err("nothing").fault, Fault::Silent);
}
