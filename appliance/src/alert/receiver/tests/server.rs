//! A server that does with each connection what it is told, and remembers what it was sent.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What a connection meets.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// The request is read, and this is said.
    Say(String),
    /// The same, and then nothing, for ever.
    SayAndHang(String),
    /// The same, and then the connection is reset.
    SayAndReset(String),
}

/// An answer of HTTP.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Act {
    Act::Say(head(status, headers, body.len()) + body)
}

pub(super) fn head(status: &str, headers: &str, length: usize) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n")
}

pub(super) fn ok() -> Act {
    answer("200 OK", "", "ok")
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    comes: Arc<Notify>,
    _tasks: JoinSet<()>,
}

/// A certificate for `localhost`, as PEM, and a server's side of it.
pub(super) fn certificate() -> (String, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("usable");
    (made.cert.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// The same, as two files for another's server.
pub(super) fn certificate_files(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    (certificate, key)
}

impl Server {
    /// The last act is repeated.
    pub(super) async fn start(acts: Vec<Act>) -> Self {
        Self::with(acts, None).await
    }

    pub(super) async fn with(acts: Vec<Act>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        let comes: Arc<Notify> = Arc::default();
        let came = comes.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let mut acts = acts.into_iter();
            let mut act = acts.next().expect("an act");
            while let Ok((tcp, _)) = listener.accept().await {
                let (log, came, now, tls) = (log.clone(), came.clone(), act.clone(), tls.clone());
                if let Some(next) = acts.next() {
                    act = next;
                }
                if matches!(now, Act::SayAndReset(_)) {
                    let _ = SockRef::from(&tcp).set_linger(Some(std::time::Duration::ZERO));
                }
                connections.spawn(async move {
                    match tls {
                        None => meet(tcp, now, log, came).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(tcp).await {
                                meet(stream, now, log, came).await;
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            seen,
            comes,
            _tasks: tasks,
        }
    }

    /// Waits until it has seen so many requests.
    pub(super) async fn until(&self, count: usize) {
        let enough = async {
            loop {
                let next = self.comes.notified();
                if self.seen.lock().len() >= count {
                    return;
                }
                next.await;
            }
        };
        tokio::time::timeout(super::PATIENT, enough)
            .await
            .expect("they come");
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    pub(super) fn last(&self) -> Seen {
        self.seen().pop().expect("a request")
    }
}

async fn meet(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    act: Act,
    log: Arc<Mutex<Vec<Seen>>>,
    came: Arc<Notify>,
) {
    let Some(seen) = request(&mut stream).await else {
        return;
    };
    log.lock().push(seen);
    came.notify_one();
    let (Act::Say(text) | Act::SayAndHang(text) | Act::SayAndReset(text)) = &act;
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
    match act {
        Act::Say(_) => {
            let _ = stream.shutdown().await;
        }
        Act::SayAndHang(_) => std::future::pending().await,
        Act::SayAndReset(_) => {}
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let mut seen = Seen {
        head: String::from_utf8(bytes).ok()?,
        body: String::new(),
    };
    let length = seen
        .header("content-length")
        .map_or(Some(0), |text| text.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    seen.body = String::from_utf8(body).ok()?;
    Some(seen)
}

/// A server that hands each connection to a test.
pub(super) async fn listen() -> (SocketAddr, mpsc::Receiver<TcpStream>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (give, take) = mpsc::channel(8);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if give.send(tcp).await.is_err() {
                return;
            }
        }
    });
    (address, take, tasks)
}
