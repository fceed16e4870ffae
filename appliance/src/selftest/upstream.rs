//! A registry in this process, on a port of its own: it has what it was given, and fails as it is told.
//!
//! Promises: it notes what it was asked and what it sent. Must not know: what is tried with it.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, task::JoinSet};

use super::{
    content::{REPOSITORY, Stock},
    report::Unplayable,
    script::{Act, Script},
    wire::{Connection, Request, listen},
};
use crate::oci::{Digest, MediaType};

/// Bytes of one write.
const CHUNK: usize = 64 << 10;

/// How it takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Open,
    /// Connections are taken, and nothing is ever said on them.
    Deaf,
    /// Connections are taken and reset.
    Slammed,
}

/// A blob that somebody asked for.
#[derive(Debug)]
pub(super) struct Get {
    pub(super) digest: Digest,
    sent: AtomicU64,
}

impl Get {
    /// Bytes that were sent of it so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(SeqCst)
    }
}

/// The registry. It is gone when it is dropped.
pub(super) struct Upstream {
    address: SocketAddr,
    shop: Arc<Shop>,
    tasks: JoinSet<()>,
}

struct Shop {
    stock: Stock,
    script: Script,
    door: Mutex<Door>,
    gets: Mutex<Vec<Arc<Get>>>,
}

impl Upstream {
    pub(super) async fn start(stock: Stock) -> Result<Self, Unplayable> {
        let (listener, address) = listen()
            .await
            .map_err(|error| Unplayable::new("open a door for", "the upstream", error))?;
        let shop = Arc::new(Shop {
            stock,
            script: Script::default(),
            door: Mutex::new(Door::Open),
            gets: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(shop.clone().open(listener));
        Ok(Self { address, shop, tasks })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn script(&self) -> &Script {
        &self.shop.script
    }

    pub(super) fn door(&self, door: Door) {
        *self.shop.door.lock() = door;
    }

    /// Who has asked for a blob so far.
    pub(super) fn gets(&self, digest: &Digest) -> Vec<Arc<Get>> {
        let gets = self.shop.gets.lock();
        gets.iter().filter(|get| get.digest == *digest).cloned().collect()
    }

    /// Nobody is there any more: connections are refused.
    pub(super) async fn close(&mut self) {
        self.tasks.shutdown().await;
    }
}

impl Shop {
    async fn open(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            while connections.try_join_next().is_some() {}
            let door = *self.door.lock();
            let shop = self.clone();
            match door {
                Door::Open => {
                    // Whoever breaks off is told so by itself.
                    connections.spawn(async move { drop(shop.serve(Connection::new(stream)).await) });
                }
                Door::Deaf => {
                    connections.spawn(async move {
                        let _kept = stream;
                        std::future::pending::<()>().await;
                    });
                }
                Door::Slammed => {
                    // Where it cannot be reset it is closed.
                    let _ = SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
                }
            }
        }
    }

    async fn serve(&self, mut connection: Connection) -> io::Result<()> {
        connection.stream.set_nodelay(true)?;
        while let Some(request) = connection.request().await? {
            if self.answer(&mut connection, &request).await? == Then::Close {
                connection.stream.shutdown().await?;
                // So that what was sent arrives, and no reset overtakes it.
                while connection.request().await.is_ok_and(|more| more.is_some()) {}
                break;
            }
        }
        Ok(())
    }

    async fn answer(&self, connection: &mut Connection, request: &Request) -> io::Result<Then> {
        let is_head = request.method == "HEAD";
        let below = request.path.strip_prefix("/v2/").unwrap_or_default();
        let below = below.strip_prefix(REPOSITORY).unwrap_or_default();
        if let Some((digest, bytes)) = below
            .strip_prefix("/manifests/")
            .and_then(|name| self.stock.manifests.get(name))
        {
            let headers = [
                ("content-type", MediaType::OCI_MANIFEST.to_owned()),
                ("docker-content-digest", digest.to_string()),
            ];
            connection.head("200 OK", bytes.len() as u64, &headers).await?;
            if !is_head {
                connection.stream.write_all(bytes).await?;
            }
            return Ok(Then::GoOn);
        }
        let digest = below
            .strip_prefix("/blobs/")
            .and_then(|digest| digest.parse::<Digest>().ok());
        let noise = digest.and_then(|digest| Some((digest, self.stock.blobs.get(&digest)?)));
        let Some((digest, noise)) = noise else {
            connection.head("404 Not Found", 0, &[]).await?;
            return Ok(Then::GoOn);
        };
        if is_head {
            connection.head("200 OK", noise.size, &[]).await?;
            return Ok(Then::GoOn);
        }
        let act = self.script.next(&digest);
        let get = Arc::new(Get {
            digest,
            sent: AtomicU64::new(0),
        });
        self.gets.lock().push(get.clone());
        if matches!(act, Act::Missing) {
            connection.head("404 Not Found", 0, &[]).await?;
            return Ok(Then::GoOn);
        }
        send(connection, request.from, &noise.bytes(), act, &get).await
    }
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

async fn send(
    connection: &mut Connection,
    from: Option<u64>,
    bytes: &[u8],
    act: Act,
    get: &Get,
) -> io::Result<Then> {
    let size = bytes.len() as u64;
    let start = from.unwrap_or(0).min(size);
    match from {
        None => connection.head("200 OK", size, &[]).await?,
        Some(from) => {
            let range = format!("bytes {from}-{}/{size}", size.saturating_sub(1));
            let headers = [("content-range", range)];
            connection
                .head("206 Partial Content", size - start, &headers)
                .await?;
        }
    }
    let place = match act {
        Act::CutAt(place) | Act::SilentAt(place) | Act::HeldAt(place, _) => place.clamp(start, size),
        Act::Whole | Act::WrongAt(_) | Act::Missing => size,
    };
    let changed = match act {
        Act::WrongAt(place) => usize::try_from(place).ok(),
        _ => None,
    };
    let mut at = start;
    let mut stops = place;
    loop {
        while at < stops {
            let (begin, end) = (at as usize, (at + CHUNK as u64).min(stops) as usize);
            let mut chunk = bytes[begin..end].to_vec();
            if let Some(byte) = changed.and_then(|place| chunk.get_mut(place.checked_sub(begin)?)) {
                *byte ^= 1;
            }
            connection.stream.write_all(&chunk).await?;
            at = end as u64;
            get.sent.store(at - start, SeqCst);
        }
        if stops == size {
            return Ok(Then::GoOn);
        }
        match &act {
            Act::HeldAt(_, gate) => {
                gate.passed().await;
                stops = size;
            }
            Act::SilentAt(_) => {
                // Until the other side has had enough.
                while connection.request().await?.is_some() {}
                return Ok(Then::Close);
            }
            _ => return Ok(Then::Close),
        }
    }
}
