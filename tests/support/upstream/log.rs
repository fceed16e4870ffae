//! What the upstream was asked, and what came of it: the ground for every assertion about the WAN.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{Kind, Request};

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Still being answered.
    Open,
    /// All was sent.
    Whole,
    /// The script ended it.
    Played,
    /// The other side left, or the upstream was taken down.
    Left,
}

/// One request.
#[derive(Debug)]
pub struct Record {
    pub kind: Kind,
    pub request: Request,
    pub at: Instant,
    /// Which connection it came on, counted from 1.
    pub connection: u64,
    sent: AtomicU64,
    state: Mutex<(Outcome, u16)>,
    changes: watch::Sender<u64>,
}

impl Record {
    /// Bytes of the body handed to the kernel so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    pub fn outcome(&self) -> Outcome {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The status that was answered, 0 if none was.
    pub fn status(&self) -> u16 {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// The `Range` header, `""` without one.
    pub fn range(&self) -> &str {
        self.request.headers.text("range")
    }

    /// Where the requested range begins; 0 without one.
    pub fn range_start(&self) -> u64 {
        let start = self
            .range()
            .strip_prefix("bytes=")
            .and_then(|r| r.split('-').next());
        start.and_then(|s| s.parse().ok()).unwrap_or(0)
    }

    pub(super) fn add_sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Relaxed);
        self.changes.send_modify(|n| *n += 1);
    }

    pub(super) fn set_status(&self, status: u16) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1 = status;
    }

    /// Only the first end counts.
    pub(super) fn end(&self, outcome: Outcome) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.0 == Outcome::Open {
            state.0 = outcome;
        }
        drop(state);
        self.changes.send_modify(|n| *n += 1);
    }
}

/// All requests in the order in which they came.
#[derive(Default)]
pub struct Log {
    records: Mutex<Vec<Arc<Record>>>,
    connections: AtomicU64,
    over_ipv6: AtomicU64,
    changes: watch::Sender<u64>,
}

impl Log {
    pub(super) fn connected(&self, peer: Option<SocketAddr>) -> u64 {
        if peer.is_some_and(|peer| peer.ip().to_canonical().is_ipv6()) {
            self.over_ipv6.fetch_add(1, Relaxed);
        }
        self.connections.fetch_add(1, Relaxed) + 1
    }

    pub(super) fn add(&self, request: Request, connection: u64) -> Arc<Record> {
        let record = Arc::new(Record {
            kind: request.kind(),
            request,
            at: Instant::now(),
            connection,
            sent: AtomicU64::new(0),
            state: Mutex::new((Outcome::Open, 0)),
            changes: self.changes.clone(),
        });
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record.clone());
        self.changes.send_modify(|n| *n += 1);
        record
    }

    pub fn all(&self) -> Vec<Arc<Record>> {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// How many of them came over IPv6.
    pub fn connections_over_ipv6(&self) -> u64 {
        self.over_ipv6.load(Relaxed)
    }

    pub fn of(&self, kind: Kind) -> Vec<Arc<Record>> {
        self.all().into_iter().filter(|r| r.kind == kind).collect()
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.of(kind).len()
    }

    /// GETs whose path names `digest`, at the registry (not its CDN).
    pub fn gets_of(&self, digest: &str) -> Vec<Arc<Record>> {
        let is_get = |r: &Record| matches!(r.kind, Kind::GetBlob | Kind::GetManifest);
        self.all()
            .into_iter()
            .filter(|r| is_get(r) && r.request.path.ends_with(digest))
            .collect()
    }

    /// Bytes of bodies sent for `digest`, at the registry and its CDN.
    pub fn bytes_of(&self, digest: &str) -> u64 {
        self.all()
            .iter()
            .filter(|r| r.request.path.ends_with(digest))
            .map(|r| r.sent())
            .sum()
    }

    /// Bytes of bodies sent at all.
    pub fn bytes(&self) -> u64 {
        self.all().iter().map(|r| r.sent()).sum()
    }

    /// Forgets everything: what follows is counted from here.
    pub fn clear(&self) {
        self.records
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Waits until `look` gives something; it is asked again on every change.
    pub async fn wait_for<T>(&self, what: &str, limit: Duration, look: impl Fn(&Log) -> Option<T>) -> T {
        let mut changes = self.changes.subscribe();
        let search = async {
            loop {
                changes.borrow_and_update();
                if let Some(found) = look(self) {
                    return found;
                }
                changes.changed().await.expect("the log holds a sender");
            }
        };
        match tokio::time::timeout(limit, search).await {
            Ok(found) => found,
            Err(_) => panic!("upstream: no {what} within {limit:?}; it saw:\n{}", self.story()),
        }
    }

    /// The requests as text, for messages.
    pub fn story(&self) -> String {
        self.all()
            .iter()
            .map(|r| {
                format!(
                    "  #{} {} {} {} -> {} {} bytes, {:?}\n",
                    r.connection,
                    r.request.method,
                    r.request.path,
                    r.range(),
                    r.status(),
                    r.sent(),
                    r.outcome()
                )
            })
            .collect()
    }
}
