//! Whether anybody is there.

use tokio::{io::AsyncReadExt as _, net::TcpListener};

use super::{super::Reach, *};

async fn reach(kind: &str, lines: &str, deadline: Duration) -> Reach {
    let receiver = receiver(kind, lines, deadline);
    let bounded = tokio::time::timeout(PATIENT, receiver.reach()).await;
    bounded.expect("it ends by a deadline of its own")
}

#[tokio::test]
async fn a_door_is_open_where_connections_are_taken_and_nothing_is_said_there() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for _ in 0..3 {
            let (mut stream, _) = server.accept().await.expect("a connection");
            stream.read_to_end(&mut heard).await.expect("an end");
        }
        heard
    });
    let mail = "from = \"a@b.test\"\nto = [\"c@d.test\"]\ninsecure = true";
    for (kind, scheme, more) in [
        ("webhook", "http", ""),
        ("syslog", "tcp", ""),
        ("smtp", "smtp", mail),
    ] {
        let lines = format!("url = \"{scheme}://{address}\"\n{more}");
        assert_eq!(reach(kind, &lines, PATIENT).await, Reach::Open, "{kind}");
    }
    assert_eq!(heard.await.expect("no panic"), b"");
}

#[tokio::test]
async fn a_door_is_shut_where_nobody_is() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = gone.local_addr().expect("an address");
    drop(gone);
    let url = |scheme: &str, at: &str| format!("url = \"{scheme}://{at}\"");
    let there = address.to_string();
    assert_eq!(reach("webhook", &url("http", &there), PATIENT).await, Reach::Shut);
    assert_eq!(
        reach("webhook", &url("http", "nowhere.invalid"), PATIENT).await,
        Reach::Shut
    );
    // Somebody is there who never says hello.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    assert_eq!(
        reach("webhook", &url("https", &address), SHORT).await,
        Reach::Shut
    );
    // Datagrams are sent whether anybody is there or not.
    assert_eq!(
        reach("syslog", &url("udp", &address), PATIENT).await,
        Reach::Unknown
    );
}
