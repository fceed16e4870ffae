//! Logs over each of its ways.

use tokio::{
    io::AsyncReadExt,
    net::{TcpStream, UdpSocket, UnixDatagram},
};

use super::{
    server::{certificate, listen},
    *,
};

const ENTRY: &str = "<26>1 2027-01-15T08:00:00Z attic larder - fired - \u{feff}[critical] attic: the disk <sda> is \"full\" \
                     – very | what: the disk is full; you can: & so on";

fn log(url: &str, deadline: Duration) -> Box<dyn Receiver> {
    receiver("syslog", &format!("url = \"{url}\""), deadline)
}

#[tokio::test]
async fn a_datagram_holds_one_entry() {
    let server = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = server.local_addr().expect("an address");
    let log = log(&format!("udp://{address}"), PATIENT);
    let mut taken = vec![0; 9000];
    send(&*log, &fired()).await.expect("sent");
    let length = server.recv(&mut taken).await.expect("an entry");
    assert_eq!(String::from_utf8_lossy(&taken[..length]), ENTRY);
    let long = Message {
        text: "ä\n".repeat(4000),
        ..message(Told::Resolved, Severity::Critical)
    };
    send(&*log, &long).await.expect("sent");
    let length = server.recv(&mut taken).await.expect("an entry");
    let entry = String::from_utf8(taken[..length].to_vec()).expect("whole letters");
    assert!(
        length <= 2048 && entry.starts_with("<30>1 ") && !entry.contains('\n'),
        "{entry}"
    );

    drop(server);
    let error = send(&*log, &fired()).await.expect_err("nobody listens");
    assert_eq!(error.fault, Fault::Unreachable, "{error}");
}

#[tokio::test]
async fn the_socket_of_this_box_takes_it_when_it_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let log = log(&format!("unix://{}", path.display()), PATIENT);
    let error = send(&*log, &fired()).await.expect_err("not there");
    assert_eq!(
        (error.fault, error.to),
        (Fault::Unreachable, path.display().to_string())
    );
    let server = UnixDatagram::bind(&path).expect("a socket");
    send(&*log, &fired()).await.expect("sent");
    let mut taken = vec![0; 9000];
    let length = server.recv(&mut taken).await.expect("an entry");
    assert_eq!(String::from_utf8_lossy(&taken[..length]), ENTRY);
}

#[tokio::test]
async fn one_who_never_takes_datagrams_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let _server = UnixDatagram::bind(&path).expect("a socket");
    let log = log(&format!("unix://{}", path.display()), SHORT);
    // The queue of a socket is short.
    for _ in 0..100_000 {
        if let Err(error) = send(&*log, &fired()).await {
            assert_eq!(error.fault, Fault::Silent, "{error}");
            return;
        }
    }
    panic!("a queue without an end");
}

/// What a client says until it has no more to say.
async fn all(mut stream: TcpStream) -> String {
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("text");
    said
}

#[tokio::test]
async fn over_tcp_it_is_counted_and_arrives_when_the_other_side_has_read_it() {
    let (address, mut connections, _tasks) = listen().await;
    let log = log(&format!("tcp://{address}"), PATIENT);
    let fired = fired();
    let (sent, said) = tokio::join!(send(&*log, &fired), async {
        all(connections.recv().await.expect("a connection")).await
    });
    sent.expect("delivered");
    assert_eq!(said, format!("{} {ENTRY}", ENTRY.len()));
    // It breaks off before it has read.
    let (sent, ()) = tokio::join!(send(&*log, &fired), async {
        let stream = connections.recv().await.expect("a connection");
        socket2::SockRef::from(&stream)
            .set_linger(Some(Duration::ZERO))
            .expect("set");
    });
    assert_eq!(sent.expect_err("broken").fault, Fault::Broken(None));
}

#[tokio::test]
async fn one_who_never_closes_or_is_not_there_has_not_got_it() {
    let (address, mut connections, tasks) = listen().await;
    let log = log(&format!("tcp://{address}"), SHORT);
    let error = send(&*log, &fired()).await.expect_err("silence");
    assert_eq!(error.fault, Fault::Silent, "{error}");
    drop((connections.recv().await, connections, tasks));
    let gone = UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port")
        .local_addr()
        .expect("an address");
    let nobody = super::receiver("syslog", &format!("url = \"tcp://{gone}\""), PATIENT);
    assert_eq!(
        send(&*nobody, &fired()).await.expect_err("nobody").fault,
        Fault::Unreachable
    );
}

#[tokio::test]
async fn over_tls_it_arrives_at_whom_the_owner_trusts() {
    let (pem, tls) = certificate();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, pem).expect("a file");
    let (address, mut connections, _tasks) = listen().await;
    let url = format!("url = \"tls://localhost:{}\"", address.port());
    let trusting = receiver("syslog", &format!("{url}\nca_file = {path:?}"), PATIENT);
    let fired = fired();
    let server = async {
        let stream = connections.recv().await.expect("a connection");
        let mut stream = tls.accept(stream).await.expect("TLS");
        let mut said = String::new();
        stream.read_to_string(&mut said).await.expect("text");
        said
    };
    let (sent, said) = tokio::join!(send(&*trusting, &fired), server);
    sent.expect("delivered");
    assert_eq!(said, format!("{} {ENTRY}", ENTRY.len()));
    let wary = receiver("syslog", &url, PATIENT);
    let (sent, _) = tokio::join!(send(&*wary, &fired), async {
        tls.accept(connections.recv().await.expect("a connection"))
            .await
            .map(drop)
    });
    assert_eq!(sent.expect_err("unknown").fault, Fault::Untrusted);
}
