//! Connections: TLS, proxies, policies, reuse.

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use super::{server::*, *};

pub(super) const HOST: &str = "registry.example.org";

/// A server with a certificate of its own for [`HOST`], and that certificate.
pub(super) async fn tls_server() -> (Server, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a key that fits");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let server = Server::with(
        |_| ok(BLOB),
        move |stream| {
            let acceptor = acceptor.clone();
            async move { acceptor.accept(stream).await.ok() }
        },
    )
    .await;
    (server, made.cert.pem().into_bytes())
}

pub(super) fn trusting(url: &str, ca: Option<Vec<u8>>) -> Settings {
    Settings {
        ca_pem: ca,
        ..settings(url)
    }
}

#[tokio::test]
async fn tls_trusts_the_upstreams_own_certificates_and_no_others_and_shares_one_http2_connection() {
    let (server, ca) = tls_server().await;
    let url = format!("https://{HOST}:{}", server.address.port());
    let client = client(options());
    let stranger = only(&client, &trusting(&url, None));
    assert_eq!(fault(blob(&stranger, 0).await), Fault::Unavailable);
    assert!(server.lines().is_empty());

    let trusted = only(&client, &trusting(&url, Some(ca)));
    assert_eq!(drain(blob(&trusted, 0).await.expect("let in")).await.0, BLOB);
    let before = client.usage();
    for result in futures_util::future::join_all((0..8).map(|_| blob(&trusted, 0))).await {
        assert_eq!(drain(result.expect("let in")).await.0, BLOB);
    }
    assert_eq!(client.usage().connections, before.connections);
    assert!(client.usage().wan_bytes > before.wan_bytes);
}

/// A proxy that knows only `CONNECT`, and leads everywhere to `target`. Returns its address and what it was
/// asked.
async fn proxy(target: std::net::SocketAddr) -> (std::net::SocketAddr, Arc<parking_lot::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked: Arc<parking_lot::Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let log = log.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
                    log.lock().push(line.trim().to_owned());
                    line.clear();
                }
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                    .await
                    .expect("written");
                let mut onward = TcpStream::connect(target).await.expect("connected");
                let _ = copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    (address, asked)
}

fn through(proxy: std::net::SocketAddr) -> Client {
    let proxy = ProxySettings::from_env(|name| {
        matches!(name, "HTTPS_PROXY" | "HTTP_PROXY").then(|| format!("http://user:pass@{proxy}"))
    });
    client(Options {
        proxy: proxy.expect("valid"),
        ..options()
    })
}

#[tokio::test]
async fn https_goes_through_a_tunnel_and_the_proxy_resolves_the_name() {
    let (server, ca) = tls_server().await;
    let (proxy, asked) = proxy(server.address).await;
    let endpoint = only(&through(proxy), &trusting(&format!("https://{HOST}"), Some(ca)));
    assert_eq!(drain(blob(&endpoint, 0).await.expect("let in")).await.0, BLOB);
    let asked = asked.lock().clone();
    assert_eq!(asked[0], format!("CONNECT {HOST}:443 HTTP/1.1"));
    assert!(
        asked.contains(&"Proxy-Authorization: Basic dXNlcjpwYXNz".to_owned()),
        "{asked:?}"
    );
    assert_eq!(
        server.seen()[0].header("proxy-authorization"),
        None,
        "not for the registry"
    );
}

#[tokio::test]
async fn plain_http_goes_to_the_proxy_as_a_whole_url() {
    // The server plays the proxy.
    let server = Server::start(|_| ok(BLOB)).await;
    let endpoint = only(
        &through(server.address),
        &settings(&format!("http://{HOST}:5000")),
    );
    blob(&endpoint, 0).await.expect("let in");
    let seen = &server.seen()[0];
    assert_eq!(seen.header("host"), Some("registry.example.org:5000"));
    assert_eq!(seen.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));
}

#[tokio::test]
async fn an_open_mirror_does_not_reach_into_the_lan() {
    let server = Server::start(|_| ok(BLOB)).await;
    let client = client(options());
    for url in [server.url(), server.url_as(HOST)] {
        let open = only(
            &client,
            &Settings {
                addresses: AddressPolicy::PublicOnly,
                ..settings(&url)
            },
        );
        assert_eq!(fault(blob(&open, 0).await), Fault::Denied, "{url}");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn an_open_mirror_is_not_redirected_into_the_lan_behind_a_proxy_either() {
    // The server plays the proxy, which would happily go there.
    let server = Server::start(|seen| match seen.header("host") {
        Some("169.254.169.254") => ok(BLOB),
        _ => status(307).header("location", "http://169.254.169.254/latest"),
    })
    .await;
    let open = only(
        &through(server.address),
        &Settings {
            addresses: AddressPolicy::PublicOnly,
            ..settings(&format!("http://{HOST}"))
        },
    );
    assert_eq!(fault(blob(&open, 0).await), Fault::Denied);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_kept_connection_that_breaks_under_a_request_is_not_an_error() {
    // Answers the first request of each connection and closes it as soon as a second one comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
                    line.clear();
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n0123456789abcdef";
                stream.write_all(answer).await.expect("written");
                let _ = stream.read_line(&mut line).await;
            });
        }
    });
    let client = client(options());
    let endpoint = only(&client, &settings(&url));
    for _ in 0..5 {
        assert_eq!(drain(blob(&endpoint, 0).await.expect("let in")).await.0, BLOB);
    }
    assert_eq!(client.usage().connections, 5);
    assert!(endpoint.status().last_error.is_none());
}

#[tokio::test]
async fn a_host_that_takes_the_connection_and_not_the_handshake_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let client = client(Options {
        connect_timeout: Duration::from_millis(200),
        ..options()
    });
    assert_eq!(
        fault(blob(&only(&client, &settings(&url)), 0).await),
        Fault::Silent
    );
}

#[tokio::test]
async fn nothing_is_left_of_a_call_that_ran_out_of_time_or_of_a_blob_nobody_wants() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n01234567"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let endpoint = only(&client(options()), &settings(&url));
        let deadline = Instant::now() + Duration::from_millis(300);
        let (repository, digest) = (repository(), digest(BLOB));
        let serve = async {
            let (stream, _) = listener.accept().await.expect("a connection");
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|n| n > 2) {
                line.clear();
            }
            stream.write_all(answer).await.expect("written");
            stream
        };
        let (result, mut stream) = tokio::join!(endpoint.blob(&repository, &digest, 0, deadline), serve);
        drop(result);
        let mut line = String::new();
        let rest = stream.read_line(&mut line).await;
        assert!(matches!(rest, Ok(0)), "closed by the other side, not {rest:?}");
    }
}

#[tokio::test]
async fn an_endpoint_needs_no_runtime_no_name_server_and_no_network_to_be_made() {
    let made = std::thread::spawn(|| {
        let client = Client::new(Options::default(), Clock::system()).expect("a client");
        client
            .endpoints(&settings("https://ghcr.io"))
            .map(|all| all.len())
    });
    assert_eq!(made.join().expect("no panic").expect("endpoints"), 1);
    let none = Settings {
        endpoints: Vec::new(),
        ..settings("https://ghcr.io")
    };
    let client = client(options());
    assert!(matches!(
        client.endpoints(&none),
        Err(UpstreamError::NoEndpoint { .. })
    ));
    let bad = trusting("https://ghcr.io", Some(b"hello".to_vec()));
    assert!(matches!(
        client.endpoints(&bad),
        Err(UpstreamError::CaFile { .. })
    ));
}

#[tokio::test]
async fn a_connection_of_before_that_has_fallen_silent_costs_a_moment_and_no_answer() {
    let asked = std::sync::atomic::AtomicU64::new(0);
    let server = Server::start(
        move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            1 => server::Reply::Silence,
            _ => server::ok(BLOB),
        },
    )
    .await;
    let impatient = Options {
        connect_timeout: Duration::from_millis(200),
        ..options()
    };
    let endpoint = only(&client(impatient), &settings(&server.url()));
    for _ in 0..3 {
        let stream = blob(&endpoint, 0).await.expect("begun");
        assert_eq!(drain(stream).await.0, BLOB);
    }
    assert_eq!(server.lines().len(), 4, "one went out twice");
}
